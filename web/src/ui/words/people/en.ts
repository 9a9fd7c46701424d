// Words of what one person sees of another, and does, in English.

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const en = {
  writeToPerson: "Write to",
  mention: "Mention",
  notInRoom: "Not in this room",
  findPeople: "Find people",
  peopleFound: (count: number) => `${plural(count, "person", "people")} found`,
  // Who asks to come in
  askingHere: (count: number) => `${plural(count, "person asks", "people ask")} to come in`,
  undoTurnedAway: (who: string) => `You turned ${who} away`,
  notTurnedAway: (who: string, why: string) => `${who} was not turned away: ${why}`,
  // Reactions
  whoReacted: "Who reacted",
  nobodyReacted: "Nobody any more.",
};

export type PeopleWords = typeof en;
