// Words of conversations, in English: timeline, composer, what is shown of files.

import { pluralIn } from "../plural";

const plural = pluralIn("en");

/** What happened that is told of many at once. */
type Together = "joined" | "left" | "invited" | "declined" | "removed" | "banned" | "renamed";

export const en = {
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
    "Faces and feelings", "People", "Animals and nature", "Food and drink", "Places and travel", "Activities", "Things", "Signs", "Flags",
  ],
  search: "Search",
  completions: "Suggestions",
  dropHere: "Drop to send",
  callsNobody: "@room calls nobody: here only those may call everybody who look after the room.",
  everybodyHere: "Everybody here",
  commandWords: { words: "words", person: "@name:server", room: "#room:server", "": "" },
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
  // Messages
  moreEmoji: "More emoji",
  addThing: "Add",
  copyLink: "Copy link",
  replyInThread: "Reply in a thread",
  thread: "Thread",
  writeInThread: "Message in the thread",
  threadReplies: (count: number) => plural(count, "reply", "replies"),
  inThread: "Said in a thread",
  newInThreads: (count: number) => (count === 1 ? "New in a thread" : `New in ${count} threads`),
  removedMany: (count: number) => `${count} messages removed`,
  removedManyBy: (count: number, who: string) => `${count} messages removed by ${who}`,
  pin: "Pin",
  unpin: "Unpin",
  pinned: "Pinned",
  pinnedElsewhere: "A pinned message",
  allPinned: (count: number) => `All ${count}`,
  fewer: "Fewer",
  editHistory: "What it said",
  asItIs: "now",
  asItWas: "at first",
  seenBy: (names: string) => `Read by ${names}`,
  joinLinked: "Join this room?",
  dayNotFound: (why: string) => `That day could not be looked up: ${why}`,
  /** To whom something was done. */
  youWhom: "you",
  people: (count: number) => plural(count, "person", "people"),
  together: {
    joined: (who: string) => `${who} came in`,
    left: (who: string) => `${who} left`,
    invited: (who: string, count: number) => `${who} ${count === 1 ? "was" : "were"} invited`,
    declined: (who: string) => `${who} declined`,
    removed: (who: string, count: number) => `${who} ${count === 1 ? "was" : "were"} removed`,
    banned: (who: string, count: number) => `${who} ${count === 1 ? "was" : "were"} banned`,
    renamed: (who: string) => `${who} changed name or picture`,
  } as Record<Together, (who: string, count: number) => string>,
  place: "A place",
  spoiler: (why: string) => (why ? `Spoiler: ${why}` : "Spoiler"),
  newPoll: "Poll",
  pollQuestion: "Question",
  pollAnswer: (number: number) => `Answer ${number}`,
  pollMoreAnswers: "One more answer",
  pollFewerAnswers: (number: number) => `Remove answer ${number}`,
  pollMany: "Several answers may be chosen",
  pollHidden: "Votes are shown at the end only",
  pollAsk: "Ask",
  pollOne: "Choose one",
  pollMost: (count: number) => `Choose up to ${count}`,
  pollClosedUntilEnd: "shown at the end",
  pollVotes: (count: number) => plural(count, "vote", "votes"),
  pollEnded: (count: number) => `Ended, ${plural(count, "vote", "votes")}`,
  pollEnd: "End the poll",
  pollWho: "Who chose what",
  undoPollEnded: "Poll ended",
  pollNotEnded: (why: string) => `The poll was not ended: ${why}`,
  lost: (count: number, who: string) =>
    `${plural(count, "message", "messages")} from ${who} did not arrive. The server may have held ${count === 1 ? "it" : "them"} back.`,
  // Files
  voiceMessage: "Voice message",
  recording: "Recording",
  noMicrophone: "No microphone could be used. The browser may have been told not to let it.",
  fetchingFile: "Fetching",
  play: "Play",
  larger: "Larger",
  smaller: "Smaller",
  pictureBefore: "Picture before",
  pictureAfter: "Picture after",
};

export type TalkWords = typeof en;
