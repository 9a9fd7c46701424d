// Worte zu eigenen Geräten, auf Deutsch.

import type { OwnWords } from "./en";

export const de: OwnWords = {
  // Ein Gerät von einem anderen aus bestätigen
  newOwnDevice: (name) => `Ein neues Gerät von dir möchte mitlesen: ${name}.`,
  lookAtDevices: "Meine Geräte ansehen",
  emojiAskedNew: "Dieses Gerät bestätigen?",
  emojiAskedNewMore: "Ein anderes Gerät von dir möchte dieses bestätigen. Vergleich Emoji auf beiden Bildschirmen, und dieses Gerät darf deine Nachrichten lesen.",
  emojiWaitingNew: "Öffne Sealpost auf dem neuen Gerät, und stimm dort zu.",
};
