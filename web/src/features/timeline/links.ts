// Addresses that stand in words: of pages, of mail, of people and rooms.

import { linkTo } from "../../matrix/uri";

export interface Found {
  text: string;
  at: number;
  href: string;
}

const END = String.raw`[^\s<>"'.,;:!?)\]}]`;
const PAGE = String.raw`\bhttps?:\/\/[^\s<>"']+${END}`;
const MATRIX = String.raw`\bmatrix:(?:u|user|r|room|roomid)\/[^\s<>"']*${END}`;
const MAIL = String.raw`\bmailto:[^\s<>"'@]{1,100}@[\w.-]*\w`;
/** A server has a dot in its name, or a port: else times and scores would be addresses too. */
const ID = String.raw`(?<![\w\/@#.:-])(?:@[\w.=+\/-]{1,250}|#[^\s:#@<>"']{1,250}):[a-z\d-]+(?:(?:\.[a-z\d-]+)+(?::\d{1,5})?|:\d{1,5})\b`;
const LINK = new RegExp([PAGE, MATRIX, MAIL, `(?<id>${ID})`].join("|"), "gi");

export function linksIn(words: string): Found[] {
  return [...words.matchAll(LINK)].map(({ 0: text, index: at, groups }) => {
    return { text, at, href: groups?.["id"] === undefined ? text : linkTo(text, undefined, []) };
  });
}
