// Worte zu eigenen Geräten, auf Deutsch.

import type { OwnWords } from "./en";

export const de: OwnWords = {
  // Ein Gerät von einem anderen aus bestätigen
  newOwnDevice: (name) => `Ein neues Gerät von dir möchte mitlesen: ${name}.`,
  lookAtDevices: "Meine Geräte ansehen",
  emojiAskedNew: "Dieses Gerät bestätigen?",
  emojiAskedNewMore: "Ein anderes Gerät von dir möchte dieses bestätigen. Vergleich Emoji auf beiden Bildschirmen, und dieses Gerät darf deine Nachrichten lesen.",
  emojiWaitingNew: "Öffne Sealpost auf dem neuen Gerät, und stimm dort zu.",
  deviceCalled: (browser, system) => `Sealpost in ${browser}${system ? ` unter ${system}` : ""}`,
  someBrowser: "einem Browser",
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
  logOutUnsavedRooms: (count) =>
    count === 1
      ? "Die Schlüssel eines Gesprächs konnten nicht gesichert werden. Ohne sie ist verloren, was zuletzt gesagt wurde."
      : `Die Schlüssel von ${count} Gesprächen konnten nicht gesichert werden. Ohne sie ist verloren, was zuletzt gesagt wurde.`,
  logOutUnapproved: "Dieses Gerät wurde nie bestätigt: Was nur es lesen kann, geht verloren.",
  logOutOffline: "Der Server kann es gerade nicht erfahren: Er führt dieses Gerät, bis du es von einem anderen abmeldest.",
  logOutNewBackup: "Die Sicherung hat neue Schlüssel, seit ein Gerät entfernt wurde, und sie sind noch nicht unter deinem Wiederherstellungsschlüssel abgelegt. Was darin ist, ginge verloren: Leg sie zuerst unter „Deine Geräte“ ab.",
  newBackupBanner: "Die Sicherung hat neue Schlüssel. Bis sie unter deinem Wiederherstellungsschlüssel abgelegt sind, kann nur dieses Gerät sie öffnen.",
  // Der Server möchte sicher sein
  confirmMayLack: "Lass es leer, wenn du dich bei einem anderen Dienst anmeldest.",
  confirmThen: "Der Server fragt auf einer eigenen Seite, ob du es bist.",
  confirmElsewhere: "Der Server fragt auf einer eigenen Seite, ob du es bist. Sie geht in einem anderen Fenster auf; hier geht es weiter, sobald du dort fertig bist.",
  confirmWrong: "Das ist nicht dein Passwort.",
  confirmGivenUp: "Nichts ist geschehen: Der Server konnte nicht sicher sein, dass du es bist.",
  otherStepUndone: "Der Server weiß noch nicht, dass du es bist. Öffne die Seite noch einmal, und schließ ab, was sie verlangt.",
  otherStepNotDone: "Dieser Schritt ist noch nicht getan. Öffne die Seite noch einmal, und schließ ab, was sie verlangt.",
  otherStepDone: "Ich bin dort fertig",
  windowBlocked: "Der Browser hat kein Fenster geöffnet. Erlaub dieser Seite Fenster, und versuch es noch einmal.",
  // Ein anderer Wiederherstellungsschlüssel, eine andere Identität
  saveRecoveryKey: "Schlüssel sichern",
  newRecoveryKey: "Neuen Schlüssel anlegen",
  newRecoveryKeyTitle: "Ein neuer Wiederherstellungsschlüssel?",
  newRecoveryKeyMore: "Falls du deinen Wiederherstellungsschlüssel nicht mehr hast. Dieses Gerät legt seine Schlüssel unter dem neuen ab und beginnt eine neue Sicherung mit dem, was es lesen kann. Der alte Wiederherstellungsschlüssel öffnet danach nichts mehr.",
  replacedBanner: "Ein anderes Gerät hat für dich eine neue Identität begonnen: Dieses kann nicht mitlesen.",
  replacedMore: "Warst du es, dann bestätige dieses Gerät neu, mit dem neuen Wiederherstellungsschlüssel oder von jenem Gerät aus. Warst du es nicht, dann hat jemand dein Passwort: Ändere es, und beginn von hier aus eine neue Identität.",
  haveNeither: "Ich habe beides nicht",
  lostRecoveryKey: "Ich habe ihn nicht mehr",
  renewTitle: "Neu anfangen?",
  renewBefore: "Bevor du das tust",
  renewMeans: [
    "Wer mit dir schreibt, sieht, dass deine Identität sich geändert hat, und schaut sie sich an, bevor es weitergeht.",
    "Was früher für dich versiegelt wurde, bleibt hier unlesbar, es sei denn, ein Gerät von dir kann es noch lesen.",
    "Deine anderen Geräte müssen neu bestätigt werden. Der alte Wiederherstellungsschlüssel öffnet nichts mehr.",
  ],
  renew: "Neue Identität beginnen",
};
