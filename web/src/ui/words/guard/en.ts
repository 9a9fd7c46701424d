// Words of what guards a person, in English: what waits or was refused, new readers, the lock, looking for words.

export const en = {
  // What was not done
  waitsUnreached: (names: string) =>
    `Waiting, not sent: there is no key yet to seal it for ${names}. It is asked for again by itself.`,
  unsentEdit: (words: string) => `Your edit “${words}”`,
  unsentReaction: (key: string) => `Your reaction ${key}`,
  unsentVote: "Your vote",
  unsentOther: "What you did",
  discard: "Discard",
  notRemoved: (why: string) => `The message was not removed: ${why}`,
  notPinned: (why: string) => `That was not pinned: ${why}`,
  notUnpinned: (why: string) => `That is still pinned: ${why}`,
  notTakenBack: (why: string) => `Your reaction was not taken back: ${why}`,
  notKept: (why: string) => `That was not kept: ${why}`,
  notDone: "Not done",
  // New readers
  newReaders: (names: string) => `New here: ${names}`,
  newReadersMore: "They can read what you write from now on. If you don’t know them, look before you write.",
  newReadersFine: "That is fine",
};

export type GuardWords = typeof en;
