// Words of what guards a person, in English: what waits or was refused, new readers, the lock, looking for words.

export const en = {
  // What was not done
  waitsUnreached: (names: string) =>
    `Waiting, not sent: there is no key yet to seal it for ${names}. It is asked for again by itself.`,
  unsentEdit: (words: string) => `Your edit “${words}”`,
  unsentReaction: (key: string) => `Your reaction ${key}`,
  unsentVote: "Your vote",
  unsentOther: "What you did",
  notRemoved: (why: string) => `The message was not removed: ${why}`,
  notPinned: (why: string) => `That was not pinned: ${why}`,
  notUnpinned: (why: string) => `That is still pinned: ${why}`,
  notTakenBack: (why: string) => `Your reaction was not taken back: ${why}`,
  notKept: (why: string) => `That was not saved: ${why}`,
  // Why something can’t be read
  keyUnapproved: "This message can’t be read here: this device is not approved yet.",
  keyBeforeJoin: "Said before you came in. It can be read when somebody who was there passes its key on to you.",
  keyBeforeDevice: "Said before this device was there. It can be read when your recovery key or another of your devices brings its key.",
  keyLate: (who: string) =>
    `This message can’t be read here: its key did not come so far. ${who}’s device is asked again from time to time.`,
  keyLateHere: "This message can’t be read here: its key did not come so far. Your other devices are asked again from time to time.",
  foreignWords: "Encrypted message",
  // Who gets nothing
  newKeyOf: (names: string) => `the new key of ${names}`,
  newKeysStop: (names: string) => `New key: ${names}. Nothing is sent here until you have looked.`,
  newKeysLeftOut: (names: string) => `New key: ${names}. They get nothing until you have looked.`,
  getNothing: "Get nothing of it",
  getsNothing: (who: string) => `${who} gets nothing until you have looked.`,
  getsNothingInvited: "Gets nothing before coming in: this room shows what was said only to who is in it.",
  nothingIsSent: "Nothing is sent here until you have looked.",
  // A room that took the place of another
  nextUnsealed: "The new room is not sealed",
  nextUnsealedMore: "This room is. In the other one whoever runs a server can read what is written, and it does not say that it goes on from here.",
  toNextAnyway: "Go there all the same",
  // Comparing emoji
  stepFailed: "This step could not be taken.",
  /** By their English names; those of the specification in other languages. */
  emojiNames: {} as Record<string, string>,
  // New readers
  newReaders: (names: string) => `New here: ${names}`,
  newReadersMore: "They can read what you write from now on. If you don’t know them, look before you write.",
  newReadersFine: "That is fine",
  // Looking for words
  searchingKept: (looked: number, total: number) => `Looked through ${looked} of ${total} kept messages`,
  stop: "Stop",
  searchMore: "More that the server found",
  // Scanning somebody's code
  scanCode: "Scan their code",
  scanTitle: (who: string) => `Scan ${who}’s code`,
  scanMore: (who: string) => `Hold the code on ${who}’s screen before the camera. It is compared by itself.`,
  scanView: "What the camera sees",
  scanAsking: "Waiting for the camera",
  scanLooking: "Looking for a code…",
  scanNoCamera: {
    insecure: "Browsers let pages use a camera only over a secure connection (https).",
    denied: "The browser does not let this page use the camera. You can change that in its settings for this page.",
    none: "No camera was found.",
    busy: "The camera can’t be used just now. Another program may have it.",
  },
  scanPictureMore: (who: string) =>
    `Without a camera: choose a picture that you took of ${who}’s screen yourself. One that was sent to you proves nothing.`,
  scanForeign: "That is a code of something else.",
  scanNothing: "No code was found in that picture.",
  scanMatches: (who: string) => `It matches: you are talking to ${who}.`,
  scanDiffers: (who: string) => `That is another number than the one for you and ${who}`,
  scanAgain: "Scan again",
  // The lock
  security: "Security",
  locked: "Sealpost is locked",
  unlock: "Unlock",
  lockWrong: "That is not the passphrase.",
  lockFailed: "It could not be unlocked. Nothing is lost; try again in a moment.",
  lockForgotten: "I don’t know it any more",
  lockWipeTitle: "Log out and wipe this browser?",
  lockWipeMore: "Without the passphrase nobody can open what is kept here. It is wiped, with what waits to be sent. Your sealed messages come back with your recovery key or from another of your devices; without both they are lost for ever.",
  lockWipe: "Log out and wipe",
  lockMore: "Your messages and keys are kept sealed in this browser. With a passphrase they open only to who knows it, also for somebody who copies the disk. Names of rooms and people, and what is not sealed, stay readable.",
  lockSet: "Set a passphrase",
  lockChange: "Change the passphrase",
  lockRemove: "Take the passphrase away",
  lockNow: "Lock now",
  lockAfter: "Lock by itself",
  lockSetMore: "You are asked for it each time you open Sealpost here. Nobody can give it back to you: if you forget it, only your recovery key brings back your messages.",
  lockOldPassphrase: "Present passphrase",
  lockNewPassphrase: "New passphrase",
  lockAgain: "Once more",
  lockHint: "At least 8 characters. Several words that have nothing to do with each other are best.",
  lockedMore: (who: string) => `The passphrase opens what is kept here of ${who}.`,
  lockMinutes: (minutes: number) =>
    minutes === 0 ? "Never" : minutes === 1 ? "After a minute" : minutes === 60 ? "After an hour" : `After ${minutes} minutes`,
  lockStrength: {
    weak: "Weak: quickly guessed. Several words that have nothing to do with each other are better.",
    fair: "Fair. One more word makes it good.",
    good: "Good.",
  },
};

export type GuardWords = typeof en;
