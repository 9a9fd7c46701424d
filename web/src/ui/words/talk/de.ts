// Wörter der Gespräche, auf Deutsch.

import type { TalkWords } from "./en";

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const de: TalkWords = {
  toUnread: (count) => plural(count, "ungelesene Nachricht", "ungelesene Nachrichten"),
  goToDate: "Zu einem Tag gehen",
  goThere: "Dorthin",
  date: "Tag",
  notThere: "Das ist nicht zu finden",
  notThereMore: "Vielleicht wurde es gesagt, bevor du kamst, oder es wurde entfernt.",
};
