// Wörter für Dateien, Bilder und Töne und für das, was sich rückgängig machen lässt, auf Deutsch.

import type { MediaWords } from "./en";

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const de: MediaWords = {
  tray: "Dateien zum Senden",
  trayCount: (count) => `${plural(count, "Datei steht", "Dateien stehen")} zum Senden bereit`,
  caption: "Beschriftung",
  captionFor: (name) => `Beschriftung für ${name}`,
  captionHint: "Was du schreibst, steht darunter",
  takeOut: (name) => `${name} herausnehmen`,
  uploading: (done, all) => `Wird versiegelt und gesendet · ${done} von ${all}`,
  uploadingClear: (done, all) => `Wird gesendet · ${done} von ${all}`,
  uploadFailed: "Die Datei konnte nicht gesendet werden.",
  fileTooLarge: "Die Datei ist größer, als dieser Server annimmt.",
  fileLarger: (name, size, most) => `${name} hat ${size}; dieser Server nimmt höchstens ${most}.`,
  notKeptHere: {
    large: "Zu groß, um hier aufbewahrt zu werden: Wird diese Seite vorher geschlossen, wähle sie noch einmal aus.",
    full: "Hier ist kein Platz, sie aufzubewahren: Wird diese Seite vorher geschlossen, wähle sie noch einmal aus.",
  },
  pictures: (count) => plural(count, "Bild", "Bilder"),
  filesAndThis: (count, name) => `${plural(count, "Datei", "Dateien")}: ${name}`,
  mayTellPlace: (name) => `${name} verrät vielleicht, wo es aufgenommen wurde, und das lässt sich hier nicht herausnehmen.`,
  sendWithPlace: "So senden, wie es ist",
  leaveOut: "Nicht senden",
  playVideo: "Video abspielen",
  pausePlaying: "Anhalten",
  voicePlace: "Stelle in der Sprachnachricht",
  media: "Medien",
  mediaKinds: { pictures: "Bilder", videos: "Videos", files: "Dateien", voice: "Sprache" },
  mediaNone: "Davon ist hier noch nichts",
  mediaNoneMore: "Was in diesem Raum gesendet wird, steht hier, das Neueste zuerst.",
  mediaFurther: "Weiter zurück suchen",
  mediaLooking: "Sucht weiter zurück …",
  mediaBegin: "Das ist alles.",
  showInRoom: "Im Gespräch zeigen",
  undo: "Rückgängig",
  undoRemoved: (count) => (count === 1 ? "Nachricht entfernt" : `${count} Nachrichten entfernt`),
  undoLeft: (room) => `Du hast ${room} verlassen`,
  undoUnpinned: "Losgelöst",
  notLeft: (room, why) => `Du bist noch in ${room}: ${why}`,
  undoKeep: "Jetzt tun",
  inSpace: "Im Space",
  inNoSpace: "In keinem",
  newRoomHere: "Neuer Raum",
  spaceMembers: (space) => `Alle in ${space} dürfen hinein`,
};
