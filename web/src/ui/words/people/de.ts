// Wörter dessen, was man von anderen sieht und mit ihnen tut, auf Deutsch.

import type { PeopleWords } from "./en";

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const de: PeopleWords = {
  writeToPerson: "Anschreiben",
  mention: "Erwähnen",
  notInRoom: "Nicht in diesem Raum",
  findPeople: "Leute finden",
  peopleFound: (count) => `${plural(count, "Person", "Personen")} gefunden`,
  askingHere: (count) => `${plural(count, "Person bittet", "Personen bitten")} um Einlass`,
  undoTurnedAway: (who) => `Du hast ${who} abgewiesen`,
  notTurnedAway: (who, why) => `${who} wurde nicht abgewiesen: ${why}`,
  // Reaktionen
  whoReacted: "Wer reagiert hat",
  nobodyReacted: "Niemand mehr.",
};
