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
  notRemoved: (why) => `Die Nachricht wurde nicht entfernt: ${why}`,
  notPinned: (why) => `Das wurde nicht angeheftet: ${why}`,
  notUnpinned: (why) => `Das ist noch angeheftet: ${why}`,
  notTakenBack: (why) => `Deine Reaktion wurde nicht zurückgenommen: ${why}`,
  notKept: (why) => `Das wurde nicht gespeichert: ${why}`,
  // Why something can’t be read
  keyUnapproved: "Diese Nachricht kann hier nicht gelesen werden: Dieses Gerät ist noch nicht bestätigt.",
  keyBeforeJoin: "Gesagt, bevor du dazukamst. Sie kann gelesen werden, wenn dir jemand, der schon da war, ihren Schlüssel weitergibt.",
  keyBeforeDevice: "Gesagt, bevor es dieses Gerät gab. Sie kann gelesen werden, wenn dein Wiederherstellungsschlüssel oder ein anderes deiner Geräte ihren Schlüssel bringt.",
  keyLate: (who) =>
    `Diese Nachricht kann hier nicht gelesen werden: Ihr Schlüssel kam bisher nicht. Das Gerät von ${who} wird ab und zu wieder gefragt.`,
  keyLateHere: "Diese Nachricht kann hier nicht gelesen werden: Ihr Schlüssel kam bisher nicht. Deine anderen Geräte werden ab und zu wieder gefragt.",
  foreignWords: "Verschlüsselte Nachricht",
  // Who gets nothing
  newKeyOf: (names) => `den neuen Schlüssel von ${names}`,
  newKeysStop: (names) => `Neuer Schlüssel: ${names}. Hier wird nichts gesendet, bis du nachgesehen hast.`,
  newKeysLeftOut: (names) => `Neuer Schlüssel: ${names}. Sie bekommen nichts, bis du nachgesehen hast.`,
  getNothing: "Bekommen nichts davon",
  getsNothing: (who) => `${who} bekommt nichts, bis du nachgesehen hast.`,
  getsNothingInvited: "Bekommt nichts, solange die Einladung nicht angenommen ist: Dieser Raum zeigt nur denen etwas, die darin sind.",
  nothingIsSent: "Hier wird nichts gesendet, bis du nachgesehen hast.",
  // A room that took the place of another
  nextUnsealed: "Der neue Raum ist nicht versiegelt",
  nextUnsealedMore: "Dieser Raum ist es. Im anderen kann mitlesen, wer einen Server betreibt, und er sagt nicht, dass er hieraus hervorgeht.",
  toNextAnyway: "Trotzdem hingehen",
  // Comparing emoji
  stepFailed: "Dieser Schritt gelang nicht.",
  emojiNames: {
    Dog: "Hund", Cat: "Katze", Lion: "Löwe", Horse: "Pferd", Unicorn: "Einhorn", Pig: "Schwein", Elephant: "Elefant",
    Rabbit: "Hase", Panda: "Panda", Rooster: "Hahn", Penguin: "Pinguin", Turtle: "Schildkröte", Fish: "Fisch",
    Octopus: "Oktopus", Butterfly: "Schmetterling", Flower: "Blume", Tree: "Baum", Cactus: "Kaktus", Mushroom: "Pilz",
    Globe: "Globus", Moon: "Mond", Cloud: "Wolke", Fire: "Feuer", Banana: "Banane", Apple: "Apfel",
    Strawberry: "Erdbeere", Corn: "Mais", Pizza: "Pizza", Cake: "Kuchen", Heart: "Herz", Smiley: "Lächeln",
    Robot: "Roboter", Hat: "Hut", Glasses: "Brille", Spanner: "Schraubenschlüssel", Santa: "Weihnachtsmann",
    "Thumbs Up": "Daumen Hoch", Umbrella: "Regenschirm", Hourglass: "Sanduhr", Clock: "Uhr", Gift: "Geschenk",
    "Light Bulb": "Glühbirne", Book: "Buch", Pencil: "Bleistift", Paperclip: "Büroklammer", Scissors: "Schere",
    Lock: "Schloss", Key: "Schlüssel", Hammer: "Hammer", Telephone: "Telefon", Flag: "Flagge", Train: "Zug",
    Bicycle: "Fahrrad", Aeroplane: "Flugzeug", Rocket: "Rakete", Trophy: "Pokal", Ball: "Ball", Guitar: "Gitarre",
    Trumpet: "Trompete", Bell: "Glocke", Anchor: "Anker", Headphones: "Kopfhörer", Folder: "Ordner",
    Pin: "Stecknadel",
  },
  // New readers
  newReaders: (names) => `Neu hier: ${names}`,
  newReadersMore: "Sie können lesen, was du von jetzt an schreibst. Wenn du sie nicht kennst, sieh nach, bevor du schreibst.",
  newReadersFine: "Das ist in Ordnung",
  // Looking for words
  searchingKept: (looked, total) => `${looked} von ${total} aufbewahrten Nachrichten durchgesehen`,
  stop: "Anhalten",
  searchMore: "Mehr, was der Server gefunden hat",
  // Den Code von jemandem scannen
  scanCode: "Code scannen",
  scanTitle: (who) => `Code von ${who} scannen`,
  scanMore: (who) => `Halt den Code auf dem Bildschirm von ${who} vor die Kamera. Er wird von selbst verglichen.`,
  scanView: "Was die Kamera sieht",
  scanAsking: "Wartet auf die Kamera",
  scanLooking: "Sucht einen Code …",
  scanNoCamera: {
    insecure: "Browser lassen Seiten nur über eine sichere Verbindung (https) an die Kamera.",
    denied: "Der Browser lässt diese Seite nicht an die Kamera. In seinen Einstellungen für diese Seite kannst du das ändern.",
    none: "Es wurde keine Kamera gefunden.",
    busy: "Die Kamera geht gerade nicht. Vielleicht benutzt sie ein anderes Programm.",
  },
  scanPictureMore: (who) =>
    `Ohne Kamera: Wähl ein Bild, das du selbst vom Bildschirm von ${who} gemacht hast. Eines, das dir geschickt wurde, beweist nichts.`,
  scanForeign: "Das ist ein Code von etwas anderem.",
  scanNothing: "In diesem Bild ist kein Code zu finden.",
  scanMatches: (who) => `Die Zahl stimmt: Du sprichst mit ${who}.`,
  scanDiffers: (who) => `Das ist eine andere Zahl als die für dich und ${who}`,
  scanAgain: "Noch einmal scannen",
  // The lock
  security: "Sicherheit",
  locked: "Sealpost ist gesperrt",
  unlock: "Entsperren",
  lockWrong: "Das ist nicht die Passphrase.",
  lockFailed: "Es ließ sich nicht entsperren. Nichts ist verloren; versuch es gleich noch einmal.",
  lockForgotten: "Ich weiß sie nicht mehr",
  lockWipeTitle: "Abmelden und in diesem Browser alles löschen?",
  lockWipeMore: "Ohne die Passphrase kann niemand öffnen, was hier aufbewahrt ist. Es wird gelöscht, auch was noch zu senden ist. Deine versiegelten Nachrichten kommen mit deinem Wiederherstellungsschlüssel zurück oder von einem anderen deiner Geräte; ohne beides sind sie für immer verloren.",
  lockWipe: "Abmelden und löschen",
  lockMore: "Deine Nachrichten und Schlüssel liegen versiegelt in diesem Browser. Mit einer Passphrase öffnet sie nur, wer diese kennt, auch wenn jemand die Festplatte kopiert. Namen von Räumen und Leuten, und was nicht versiegelt ist, bleiben lesbar.",
  lockSet: "Passphrase setzen",
  lockChange: "Passphrase ändern",
  lockRemove: "Passphrase wegnehmen",
  lockNow: "Jetzt sperren",
  lockAfter: "Von selbst sperren",
  lockSetMore: "Du wirst jedes Mal danach gefragt, wenn du Sealpost hier öffnest. Niemand kann sie dir wiedergeben: Wenn du sie vergisst, bringt nur dein Wiederherstellungsschlüssel deine Nachrichten zurück.",
  lockOldPassphrase: "Jetzige Passphrase",
  lockNewPassphrase: "Neue Passphrase",
  lockAgain: "Noch einmal",
  lockHint: "Mindestens 8 Zeichen. Am besten mehrere Wörter, die nichts miteinander zu tun haben.",
  lockedMore: (who) => `Die Passphrase öffnet, was hier von ${who} aufbewahrt ist.`,
  lockMinutes: (minutes) =>
    minutes === 0 ? "Nie" : minutes === 1 ? "Nach einer Minute" : minutes === 60 ? "Nach einer Stunde" : `Nach ${minutes} Minuten`,
  lockStrength: {
    weak: "Schwach: schnell erraten. Besser sind mehrere Wörter, die nichts miteinander zu tun haben.",
    fair: "Mittel. Ein Wort mehr macht sie gut.",
    good: "Gut.",
  },
};
