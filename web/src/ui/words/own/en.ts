// Words of one's own devices, in English.

export const en = {
  // Approving a device from another one
  newOwnDevice: (name: string) => `A new device of yours wants to read along: ${name}.`,
  lookAtDevices: "Look at my devices",
  emojiAskedNew: "Approve this device?",
  emojiAskedNewMore: "Another device of yours wants to approve this one. Compare emoji on both screens, and this device may read your messages.",
  emojiWaitingNew: "Open Sealpost on the new device, and agree there.",
};

export type OwnWords = typeof en;
