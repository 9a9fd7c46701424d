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
  emoji: "Emoji",
  emojiFound: "Gefunden",
  emojiUsed: "Zuletzt benutzt",
  emojiGroups: [
    "Gesichter und Gefühle", "Menschen", "Tiere und Natur", "Essen und Trinken", "Orte und Reisen", "Tun", "Dinge", "Zeichen", "Flaggen",
  ],
  search: "Suchen",
  completions: "Vorschläge",
  dropHere: "Loslassen zum Senden",
  everybodyHere: "Alle hier",
  commandWords: { words: "Worte", person: "@name:server", room: "#raum:server", reason: "Grund", "": "" },
  commandDoes: {
    me: "Sagen, was du tust", shrug: "¯\\_(ツ)_/¯", spoiler: "Worte, die verdeckt sind, bis man sie sehen will",
    plain: "Ohne Formatierung", invite: "Jemanden einladen", kick: "Jemanden entfernen", ban: "Jemanden verbannen",
    unban: "Jemanden wiederkommen lassen", topic: "Das Thema des Raums ändern", nick: "Deinen Namen ändern",
    join: "Einen Raum betreten", leave: "Diesen Raum verlassen",
  },
  commandWrong: {
    unknown: (name) => `Den Befehl /${name} gibt es nicht. Mit zwei Schrägstrichen wird er als Text gesendet.`,
    person: (name) => `/${name} braucht eine Adresse wie @lena:garten.example.`,
    room: (name) => `/${name} braucht eine Adresse wie #garten:garten.example.`,
    words: (name) => `/${name} braucht danach Worte.`,
  },
  commandFailed: (why) => `Das ging nicht: ${why}`,
};
