// Words of files, pictures and sound, and of what can be undone, in English.

import { pluralIn } from "../plural";

const plural = pluralIn("en");

export const en = {
  // Chosen
  tray: "Files to send",
  trayCount: (count: number) => `${plural(count, "file is", "files are")} ready to be sent`,
  caption: "Caption",
  captionFor: (name: string) => `Caption for ${name}`,
  captionHint: "What you write goes with it",
  takeOut: (name: string) => `Take out ${name}`,
  // On their way
  uploading: (done: string, all: string) => `Sealing and sending · ${done} of ${all}`,
  uploadingClear: (done: string, all: string) => `Sending · ${done} of ${all}`,
  uploadFailed: "The file could not be sent.",
  fileTooLarge: "The file is larger than this server takes.",
  fileLarger: (name: string, size: string, most: string) => `${name} has ${size}; this server takes ${most} at most.`,
  notKeptHere: {
    large: "Too large to be kept here: if this page is closed before it has gone, choose it again.",
    full: "There is no room to keep it here: if this page is closed before it has gone, choose it again.",
  },
  pictures: (count: number) => plural(count, "picture", "pictures"),
  filesAndThis: (count: number, name: string) => `${plural(count, "file", "files")}: ${name}`,
  mayTellPlace: (name: string) => `${name} may say where it was taken, and that can’t be taken out of it here.`,
  sendWithPlace: "Send it as it is",
  leaveOut: "Don’t send it",
  // Stickers
  stickers: "Stickers",
  stickersOwn: "Yours",
  stickersOfRoom: "Of this room",
  stickersNone: "No stickers yet",
  stickersMore: "Add a small picture, and it is a sticker of yours in all rooms.",
  stickersKept: "Your stickers are kept at your homeserver, not sealed. In a sealed room a sealed copy is sent.",
  stickerAdd: "Add a sticker",
  stickerShows: "What it shows",
  stickerShowsHint: "It is read to those who do not see it.",
  stickersTakeOut: "Take some out",
  stickerNotSent: (why: string) => `The sticker was not sent: ${why}`,
  noPicture: "This is no picture that can be shown.",
  // Shown
  playVideo: "Play the video",
  pausePlaying: "Pause",
  voicePlace: "Place in the voice message",
  // What a room holds
  media: "Media",
  mediaKinds: { pictures: "Pictures", videos: "Videos", files: "Files", voice: "Voice" },
  mediaNone: "Nothing of that here yet",
  mediaNoneMore: "What is sent in this room stands here, the newest first.",
  mediaFurther: "Look further back",
  mediaLooking: "Looking further back…",
  mediaBegin: "That is all.",
  showInRoom: "Show in the conversation",
  // Undone
  undo: "Undo",
  undoRemoved: (count: number) => (count === 1 ? "Message removed" : `${count} messages removed`),
  undoLeft: (room: string) => `You left ${room}`,
  undoUnpinned: "Unpinned",
  notLeft: (room: string, why: string) => `You are still in ${room}: ${why}`,
  undoKeep: "Do it now",
  // Rooms in spaces
  inSpace: "In the space",
  inNoSpace: "In none",
  newRoomHere: "New room",
  spaceMembers: (space: string) => `Everybody in ${space} may come in`,
};

export type MediaWords = typeof en;
