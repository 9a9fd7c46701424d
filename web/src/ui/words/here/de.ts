// Worte darüber, wer da ist und wo jemand ist, auf Deutsch.

import type { HereWords } from "./en";

export const de: HereWords = {
  // Wer da ist
  presence: { online: "Online", unavailable: "Abwesend", offline: "Offline" },
  lastActive: (ago) => `Zuletzt aktiv ${ago}`,
  justNow: "gerade eben",
  status: "Status",
  statusHint: "Ein paar Worte, die andere neben deinem Namen sehen. Dein Server und ihre können sie lesen.",
  tellPresence: "Andere sehen lassen, wann ich da bin",
  tellPresenceMore: "Leute, die mit dir in einem Raum sind, sehen es, und die Server dieser Räume.",
  wipeFailed: "Nicht alles konnte aus diesem Browser gelöscht werden. Schließ andere Tabs von Sealpost und versuch es noch einmal.",
  askingMicrophone: "Wartet auf das Mikrofon",
  notComposed: "Das konnte nicht auf den Weg gebracht werden: Es steht noch hier. Versuch es gleich noch einmal.",
  // Wo jemand ist
  sendPlace: "Wo ich bin",
  placeAsking: "Der Browser wird gefragt, wo du bist …",
  placeMore: "Das wird einmal gesendet, versiegelt: Nur die Leute hier können es lesen. Keine Karte wird gefragt.",
  placeMoreClear: "Das wird einmal gesendet. Dieser Raum ist nicht versiegelt: Wer hier einen Server betreibt, kann lesen, wo du bist. Keine Karte wird gefragt.",
  placeRoughly: "Nur ungefähr, auf einen Kilometer",
  placeWords: "Was dort ist",
  placeDenied: "Der Browser sagt dieser Seite nicht, wo du bist. Das lässt sich in seinen Einstellungen für diese Seite ändern.",
  placeUnknown: "Der Browser konnte nicht herausfinden, wo du bist.",
  placeWithin: (metres) =>
    metres < 1000 ? `auf ${Math.ceil(metres)} m genau` : `auf ${Number((metres / 1000).toFixed(1)).toLocaleString("de")} km genau`,
  openInMap: "In einem Kartenprogramm öffnen",
  copyPlace: "Zahlen kopieren",
  north: "N",
  south: "S",
  east: "O",
  west: "W",
};
