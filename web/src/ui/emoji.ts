// Emoji with their short names, fetched when somebody wants one.

export interface Emoji {
  emoji: string;
  /** Short names, as in `:smile:`. */
  names: string[];
  /** In words. */
  description: string;
  group: string;
}

const USED = "sealpost emoji";
const MOST_USED = 24;
let all: Promise<Emoji[]> | undefined;

export function emoji(): Promise<Emoji[]> {
  all ??= import("gemoji").then(({ gemoji }) =>
    gemoji.map(({ emoji, names, tags, description, category }) => {
      return { emoji, names: [...names, ...tags], description, group: category };
    }),
  );
  // If it can't be fetched now, it may be later.
  all.catch(() => (all = undefined));
  return all;
}

/** The best first: a name that is the term, that begins with it, that has it within. */
export function found(among: readonly Emoji[], term: string, most: number): Emoji[] {
  const wanted = term.toLowerCase();
  const rank = ({ names, description }: Emoji) => {
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    if (names.some((name) => name.includes(wanted)) || description.includes(wanted)) return 2;
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
