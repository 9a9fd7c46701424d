// What somebody is in a room.

/** Whether they are in it, or may come in. */
export function isIn(membership: unknown): boolean {
  return membership === "join" || membership === "invite";
}
