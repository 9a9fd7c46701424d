// Words of one's own devices, in English.

export const en = {
  // Approving a device from another one
  newOwnDevice: (name: string) => `A new device of yours wants to read along: ${name}.`,
  lookAtDevices: "Look at my devices",
  emojiAskedNew: "Approve this device?",
  emojiAskedNewMore: "Another device of yours wants to approve this one. Compare emoji on both screens, and this device may read your messages.",
  emojiWaitingNew: "Open Sealpost on the new device, and agree there.",
  /** What a device is called at first. */
  deviceCalled: (browser: string, system: string | undefined) => `Sealpost in ${browser}${system ? ` on ${system}` : ""}`,
  someBrowser: "a browser",
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
  logOutUnsavedRooms: (count: number) =>
    count === 1
      ? "The keys of one conversation could not be put into your backup. Without them what was said last is lost."
      : `The keys of ${count} conversations could not be put into your backup. Without them what was said last is lost.`,
  logOutNewBackup: "The backup got new keys when a device was removed, and they are not stored under your recovery key yet. What is in it would be lost: store them first, under “Your devices”.",
  newBackupBanner: "The backup has new keys. Until they are stored under your recovery key, only this device can open it.",
  // The server wants to be sure
  confirmMayLack: "Leave it empty if you log in at another service.",
  confirmThen: "The server will ask on a page of its own whether it is you.",
  confirmElsewhere: "The server asks on a page of its own whether it is you. It opens in another window; this goes on when you are done there.",
  confirmWrong: "That is not your password.",
  confirmGivenUp: "Nothing was done: the server could not make sure that it is you.",
  otherStepUndone: "The server does not know yet that it is you. Open the page again, and finish what it asks for.",
  otherStepNotDone: "That step is not done yet. Open the page again, and finish what it asks for.",
  otherStepDone: "I am done there",
  windowBlocked: "The browser opened no window. Allow windows for this page, and try again.",
  // Another recovery key, another identity
  saveRecoveryKey: "Save the recovery key",
  newRecoveryKey: "Make a new recovery key",
  newRecoveryKeyTitle: "A new recovery key?",
  newRecoveryKeyMore: "For when you don’t have yours any more. This device stores its keys under the new one, and begins a new backup with what it can read. The old recovery key opens nothing after that.",
  replacedBanner: "Another device began a new identity for you: this one can’t read along.",
  replacedMore: "If it was you, approve this device again: by the new recovery key, or from that device. If it was not, somebody has your password: change it, and begin a new identity from here.",
  haveNeither: "I have neither",
  lostRecoveryKey: "I don’t have it any more",
  renewTitle: "Begin anew?",
  renewBefore: "Before you do",
  renewMeans: [
    "People you write with see that your identity changed, and look at it before they go on.",
    "What was sealed for you before stays unreadable here, unless a device of yours can still read it.",
    "Your other devices have to be approved again. The old recovery key opens nothing any more.",
  ],
  renew: "Begin with a new identity",
};

export type OwnWords = typeof en;
