// Words of what guards a person, in German.

import type { GuardWords } from "./en";

export const de: GuardWords = {
  // What was not done
  waitsUnreached: (names) =>
    `Wartet, nicht gesendet: Es gibt noch keinen Schlüssel, um es für ${names} zu versiegeln. Er wird von selbst noch einmal angefragt.`,
  unsentEdit: (words) => `Deine Änderung „${words}“`,
  unsentReaction: (key) => `Deine Reaktion ${key}`,
  unsentVote: "Deine Stimme",
  unsentOther: "Was du getan hast",
  discard: "Verwerfen",
  notRemoved: (why) => `Die Nachricht wurde nicht entfernt: ${why}`,
  notPinned: (why) => `Das wurde nicht angeheftet: ${why}`,
  notUnpinned: (why) => `Das ist noch angeheftet: ${why}`,
  notTakenBack: (why) => `Deine Reaktion wurde nicht zurückgenommen: ${why}`,
  notKept: (why) => `Das wurde nicht behalten: ${why}`,
  notDone: "Nicht geschehen",
  // New readers
  newReaders: (names) => `Neu hier: ${names}`,
  newReadersMore: "Sie können lesen, was du von jetzt an schreibst. Wenn du sie nicht kennst, sieh nach, bevor du schreibst.",
  newReadersFine: "Das ist in Ordnung",
};
