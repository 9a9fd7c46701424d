// Worte zu eigenen Geräten, Schlüsseln und Konto, auf Deutsch.

import type { OwnWords } from "./en";

export const de: OwnWords = {
  // Ein Gerät von einem anderen aus bestätigen
  newOwnDevice: (name: string) => `Ein neues Gerät von dir möchte mitlesen: ${name}.`,
  lookAtDevices: "Meine Geräte ansehen",
};
