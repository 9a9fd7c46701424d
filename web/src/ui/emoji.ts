// Emoji with their short names, fetched when somebody wants one; in words of the person's language.

import { language, type Language } from "./words.svelte";

export interface Emoji {
  emoji: string;
  /** Short names, as in `:smile:`. */
  names: string[];
  /** In words. */
  description: string;
  /** What else it is found by, folded: its words in another language than English. */
  words: string[];
  group: string;
}

const USED = "sealpost emoji";
const MOST_USED = 24;
/** By emoji: its name, then words to find it by, with `|` between. The short names are English everywhere. */
const NAMES: Partial<Record<Language, () => Promise<Record<string, string>>>> = {
  de: async () => (await import("./emoji/de.json")).default,
};

const all = new Map<Language, Promise<Emoji[]>>();

/** In the language of now. */
export function emoji(): Promise<Emoji[]> {
  const now = language();
  const asked = all.get(now) ?? load(NAMES[now]);
  all.set(now, asked);
  // If it can't be fetched now, it may be later.
  asked.catch(() => all.delete(now));
  return asked;
}

async function load(names: (() => Promise<Record<string, string>>) | undefined): Promise<Emoji[]> {
  const [{ gemoji }, named] = await Promise.all([import("gemoji"), names?.()]);
  return gemoji.map(({ emoji, names, tags, description, category }) => {
    const [name = description, ...more] = named?.[emoji]?.split("|") ?? [];
    const words = named ? [...name.split(/[^\p{L}\p{N}]+/u), name, ...more].map(folded) : [];
    return { emoji, names: [...names, ...tags], description: name, words: words.filter(Boolean), group: category };
  });
}

/** As it is compared: without case and marks, so that a keyboard without umlauts finds them too. */
function folded(word: string): string {
  return word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replaceAll("ß", "ss");
}

/** The best first: a name that is the term, that begins with it, that has it within. */
export function found(among: readonly Emoji[], term: string, most: number): Emoji[] {
  const wanted = term.toLowerCase();
  const inWords = folded(term);
  // Umlauts are written so where a keyboard has none.
  const spelt = inWords.replace(/([aou])e/g, "$1");
  const rank = ({ names, description, words }: Emoji) => {
    const some = (is: (word: string, wanted: string) => boolean) =>
      names.some((name) => is(name, wanted)) || words.some((word) => is(word, inWords) || is(word, spelt));
    if (some((word, wanted) => word === wanted)) return 0;
    if (some((word, wanted) => word.startsWith(wanted))) return 1;
    if (some((word, wanted) => word.includes(wanted)) || description.toLowerCase().includes(wanted)) return 2;
    return 3;
  };
  const ranks: Emoji[][] = [[], [], [], []];
  for (const one of among) ranks[rank(one)]?.push(one);
  return ranks.slice(0, 3).flat().slice(0, most);
}

/** Those that were used last on this device, newest first. */
export function lastUsed(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(USED) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, MOST_USED) : [];
  } catch {
    return [];
  }
}

export function use(one: string): void {
  const used = [one, ...lastUsed().filter((other) => other !== one)].slice(0, MOST_USED);
  localStorage.setItem(USED, JSON.stringify(used));
}
