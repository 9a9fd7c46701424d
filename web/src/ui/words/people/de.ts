// Wörter dessen, was man von anderen sieht und mit ihnen tut, auf Deutsch.

import type { PeopleWords } from "./en";

export const de: PeopleWords = {
  writeToPerson: "Anschreiben",
  mention: "Erwähnen",
  notInRoom: "Nicht in diesem Raum",
};
