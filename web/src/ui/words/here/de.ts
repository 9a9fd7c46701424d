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
};
