// Words of one's own devices, keys and account, in English: approving, a lost key, logging out.

export const en = {
  // Approving a device from another one
  newOwnDevice: (name: string) => `A new device of yours wants to read along: ${name}.`,
  lookAtDevices: "Look at my devices",
};

export type OwnWords = typeof en;
