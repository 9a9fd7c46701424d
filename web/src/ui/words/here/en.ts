// Words of who is there, and of where somebody is, in English.

export const en = {
  // Who is there
  presence: { online: "Online", unavailable: "Away", offline: "Offline" },
  lastActive: (ago: string) => `Last active ${ago}`,
  justNow: "a moment ago",
  status: "Status",
  statusHint: "A few words that others see beside your name. Your server and theirs can read them.",
  tellPresence: "Let others see when I am here",
  tellPresenceMore: "People in a room with you see it, and the servers of these rooms do.",
};

export type HereWords = typeof en;
