// Worte zu eigenen Geräten, auf Deutsch.

import type { OwnWords } from "./en";

export const de: OwnWords = {
  // Ein Gerät von einem anderen aus bestätigen
  newOwnDevice: (name) => `Ein neues Gerät von dir möchte mitlesen: ${name}.`,
  lookAtDevices: "Meine Geräte ansehen",
  emojiAskedNew: "Dieses Gerät bestätigen?",
  emojiAskedNewMore: "Ein anderes Gerät von dir möchte dieses bestätigen. Vergleich Emoji auf beiden Bildschirmen, und dieses Gerät darf deine Nachrichten lesen.",
  emojiWaitingNew: "Öffne Sealpost auf dem neuen Gerät, und stimm dort zu.",
  tellRead: "Andere sehen lassen, wie weit ich gelesen habe",
  tellReadMore: "Sonst wissen es nur deine eigenen Geräte.",
  readsWith: "Geräte, die mitlesen",
  loggedOutBy: "Dein Server hat dieses Gerät abgemeldet",
  loggedOutByMore: "Jemand hat die Sitzung beendet, oder der Server selbst. Was hier gespeichert war, wurde damit entfernt.",
  notThisAccount: "Bist du das nicht mehr?",
  forgetHere: "Von hier entfernen",
  forgetTitle: "Alles entfernen, was hier gespeichert ist?",
  forgetHereMore: "Die Schlüssel dieses Geräts, was noch gesendet werden soll und was du angefangen hast zu schreiben, gehen verloren. Mit deinem Wiederherstellungsschlüssel kann ein neues Gerät lesen, was gesagt wurde.",
  logOutWaiting: (count) => (count === 1 ? "Eine Nachricht wurde noch nicht gesendet. Sie ginge verloren." : `${count} Nachrichten wurden noch nicht gesendet. Sie gingen verloren.`),
  logOutUnapproved: "Dieses Gerät wurde nie bestätigt: Was nur es lesen kann, geht verloren.",
  logOutOffline: "Der Server kann es gerade nicht erfahren: Er führt dieses Gerät, bis du es von einem anderen abmeldest.",
};
