// Words of what one person sees of another, and does, in English.

export const en = {
  writeToPerson: "Write to",
  mention: "Mention",
  notInRoom: "Not in this room",
};

export type PeopleWords = typeof en;
