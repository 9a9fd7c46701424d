// Words of conversations, in English: timeline, composer, what is shown of files.

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const en = {
  toUnread: (count: number) => plural(count, "unread message", "unread messages"),
  goToDate: "Go to a date",
  goThere: "Go there",
  date: "Day",
  notThere: "That is not to be found",
  notThereMore: "It may have been said before you came, or was taken away.",
  // Composer
  emoji: "Emoji",
  emojiFound: "Found",
  emojiUsed: "Used last",
  emojiGroups: [
    "Faces and feelings", "People", "Animals and nature", "Food and drink", "Places and travel", "Doing", "Things", "Signs", "Flags",
  ],
  search: "Search",
  completions: "Suggestions",
  dropHere: "Drop to send",
  everybodyHere: "Everybody here",
  commandWords: { words: "words", person: "@name:server", room: "#room:server", reason: "reason", "": "" },
  commandDoes: {
    me: "Say what you do", shrug: "¯\\_(ツ)_/¯", spoiler: "Words that are hidden until one wants to see them",
    plain: "Without formatting", invite: "Invite somebody", kick: "Remove somebody", ban: "Ban somebody",
    unban: "Let somebody come back", topic: "Change what the room is about", nick: "Change your name",
    join: "Join a room", leave: "Leave this room",
  } as Record<string, string>,
  commandWrong: {
    unknown: (name: string) => `There is no command /${name}. With two slashes it is sent as words.`,
    person: (name: string) => `/${name} wants an address such as @lena:garden.example.`,
    room: (name: string) => `/${name} wants an address such as #garden:garden.example.`,
    words: (name: string) => `/${name} wants some words after it.`,
  },
  commandFailed: (why: string) => `That was not done: ${why}`,
};

export type TalkWords = typeof en;
