// Words of conversations, in English: timeline, composer, what is shown of files.

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const en = {
  toUnread: (count: number) => plural(count, "unread message", "unread messages"),
  goToDate: "Go to a date",
  goThere: "Go there",
  date: "Day",
  notThere: "That is not to be found",
  notThereMore: "It may have been said before you came, or was taken away.",
};

export type TalkWords = typeof en;
