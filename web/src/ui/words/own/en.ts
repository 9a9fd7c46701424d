// Words of one's own devices, in English.

export const en = {
  // Approving a device from another one
  newOwnDevice: (name: string) => `A new device of yours wants to read along: ${name}.`,
  lookAtDevices: "Look at my devices",
  emojiAskedNew: "Approve this device?",
  emojiAskedNewMore: "Another device of yours wants to approve this one. Compare emoji on both screens, and this device may read your messages.",
  emojiWaitingNew: "Open Sealpost on the new device, and agree there.",
  tellRead: "Tell others how far I have read",
  tellReadMore: "If not, only your own devices know.",
  readsWith: "Devices that read with them",
  loggedOutBy: "Your server logged this device out",
  loggedOutByMore: "Somebody ended its session, or the server did. What was kept here was removed with it.",
  notThisAccount: "Not you any more?",
  forgetHere: "Remove it from here",
  forgetTitle: "Remove all that is kept here?",
  forgetHereMore: "The keys of this device, what waits to be sent, and what was begun to be written are lost. With your recovery key a new device can read what was said.",
  logOutWaiting: (count: number) => (count === 1 ? "One message was not sent yet. It would be lost." : `${count} messages were not sent yet. They would be lost.`),
  logOutUnapproved: "This device was never approved: what only it can read is lost.",
  logOutOffline: "The server can’t be told now: it lists this device until you log it out from another one.",
};

export type OwnWords = typeof en;
