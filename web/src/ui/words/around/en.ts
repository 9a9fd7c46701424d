// Words of what is around a conversation, in English: keys, people, rooms, spaces, settings.

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const en = {
  // Keys
  recoveryWhy: "One thing before you begin: this key opens your messages if you lose this device.",
  keysFile: "Keys in a file",
  keysFileMore: "A copy of the keys to your messages, sealed by a passphrase that you choose. Another device can read it.",
  exportKeys: "Save keys to a file",
  importKeys: "Read keys from a file",
  passphrase: "Passphrase",
  passphraseHint: "At least 8 characters. Whoever has file and passphrase reads your messages.",
  passphraseShort: "At least 8 characters.",
  passphraseWrong: "That is not the passphrase of this file.",
  noKeysFile: "This is no file of keys.",
  keysImported: (count: number) =>
    count === 0 ? "All keys in this file were here already." : `${plural(count, "key", "keys")} came.`,
  chooseFile: "Choose the file",
  numberCode: "The number as a code, to be read by a camera",
};

export type AroundWords = typeof en;
