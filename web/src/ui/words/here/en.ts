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
  wipeFailed: "Not everything could be wiped from this browser. Close other tabs of Sealpost and try again.",
  askingMicrophone: "Waiting for the microphone",
  notComposed: "This could not be put on its way: it is still here. Try again in a moment.",
  // Where somebody is
  sendPlace: "Where I am",
  placeAsking: "Asking the browser where you are…",
  placeMore: "This is sent once, sealed: only the people here can read it. No map is asked.",
  placeMoreClear: "This is sent once. This room is not sealed: whoever runs a server here can read where you are. No map is asked.",
  placeRoughly: "Only roughly, within a kilometre",
  placeWords: "What is there",
  placeDenied: "The browser does not let this page know where you are. You can change that in its settings for this page.",
  placeUnknown: "The browser could not find out where you are.",
  placeWithin: (metres: number) =>
    metres < 1000 ? `within ${Math.ceil(metres)} m` : `within ${Number((metres / 1000).toFixed(1))} km`,
  openInMap: "Open in a map program",
  copyPlace: "Copy the numbers",
  north: "N",
  south: "S",
  east: "E",
  west: "W",
};

export type HereWords = typeof en;
