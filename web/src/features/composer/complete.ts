// What is being written at the caret, and what it may become.

export type Kind = "person" | "room" | "emoji" | "command";

export interface Token {
  kind: Kind;
  /** What was written of it, without its sign. */
  term: string;
  /** Where it begins, with its sign. */
  from: number;
  to: number;
}

export interface Candidate {
  /** What is shown: the name, and more about it. */
  label: string;
  more: string;
  /** What is put in place of the token. */
  words: string;
  /** An avatar's id or an emoji. */
  id: string;
  /** `mxc:` of the picture. */
  avatarUrl?: string | undefined;
}

const KINDS: Record<string, Kind> = { "@": "person", "#": "room", ":": "emoji" };
const LONGEST = 40;

/** The token that ends at the caret. */
export function tokenAt(written: string, caret: number): Token | undefined {
  const before = written.slice(0, caret);
  const command = /^\/(\w*)$/.exec(before);
  if (command) return { kind: "command", term: command[1] ?? "", from: 0, to: caret };
  // A sign within a word is no beginning: addresses, times.
  const match = /(?:^|[\s([{"'])([@#:])([^\s@#:]*(?: [^\s@#:]+)?)$/u.exec(before);
  const [, sign = "", term = ""] = match ?? [];
  const kind = KINDS[sign];
  if (!match || !kind || term.length > LONGEST) return undefined;
  if (kind !== "person" && term.includes(" ")) return undefined;
  // Two signs are more than a smiley such as `:)`.
  if (kind === "emoji" && !/^[\p{L}\p{N}_+-]{2,}$/u.test(term)) return undefined;
  return { kind, term, from: caret - term.length - 1, to: caret };
}

/** The text with the candidate in place of the token, and where the caret is then. */
export function applied(written: string, token: Token, candidate: Candidate): { written: string; caret: number } {
  const words = `${candidate.words} `;
  const rest = written.slice(token.to).replace(/^ /, "");
  return { written: written.slice(0, token.from) + words + rest, caret: token.from + words.length };
}

/** Those whose label or address has the term: at its beginning, at the beginning of a word, within. */
export function ranked(candidates: Candidate[], term: string, most = 8): Candidate[] {
  const wanted = term.toLocaleLowerCase();
  const rank = ({ label, more }: Candidate) => {
    const name = label.toLocaleLowerCase();
    if (name.startsWith(wanted)) return 0;
    if (name.split(/[\s.\-_]+/).some((word) => word.startsWith(wanted))) return 1;
    if (more.toLocaleLowerCase().slice(1).startsWith(wanted)) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  return candidates
    .map((candidate) => ({ candidate, place: rank(candidate) }))
    .filter(({ place }) => place < 3)
    .toSorted((a, b) => a.place - b.place)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** Short names of emoji in whole words become what they name. */
export function withEmoji(written: string, find: (name: string) => string | undefined): string {
  return written.replace(/(^|\s):([\w+-]+):(?=\s|$)/g, (whole, space: string, name: string) => {
    const one = find(name);
    return one ? space + one : whole;
  });
}
