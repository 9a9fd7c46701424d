// Worte für das, was um ein Gespräch herum ist, auf Deutsch.

import type { AroundWords } from "./en";

export const de: AroundWords = {
  // Schlüssel
  recoveryWhy: "Eins vorweg: Dieser Schlüssel öffnet deine Nachrichten, wenn du dieses Gerät verlierst.",
  keysFile: "Schlüssel in einer Datei",
  keysFileMore: "Eine Kopie der Schlüssel zu deinen Nachrichten, versiegelt mit einer Passphrase, die du wählst. Ein anderes Gerät kann sie lesen.",
  exportKeys: "Schlüssel in eine Datei sichern",
  importKeys: "Schlüssel aus einer Datei lesen",
  passphrase: "Passphrase",
  passphraseHint: "Mindestens 8 Zeichen. Wer Datei und Passphrase hat, liest deine Nachrichten.",
  passphraseShort: "Mindestens 8 Zeichen.",
  passphraseWrong: "Das ist nicht die Passphrase dieser Datei.",
  noKeysFile: "Das ist keine Datei mit Schlüsseln.",
  keysImported: (count) =>
    count === 0
      ? "Alle Schlüssel dieser Datei waren schon hier."
      : count === 1 ? "1 Schlüssel ist dazugekommen." : `${count} Schlüssel sind dazugekommen.`,
  chooseFile: "Datei auswählen",
  numberCode: "Die Nummer als Code, für eine Kamera",
};
