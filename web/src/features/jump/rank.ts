/** Those of whose names one has the letters that were typed: at its beginning, at the beginning of a word, anywhere, scattered. */
export function ranked<T>(all: T[], term: string, namesOf: (one: T) => string[]): T[] {
  const wanted = plain(term.trim());
  if (!wanted) return all;
  const found = all.map((one, order) => ({ one, order, rank: Math.min(...namesOf(one).map((name) => rank(plain(name), wanted))) }));
  return found
    .filter(({ rank }) => rank < 4)
    .toSorted((a, b) => a.rank - b.rank || a.order - b.order)
    .map(({ one }) => one);
}

function rank(name: string, wanted: string): number {
  if (name.startsWith(wanted)) return 0;
  if (name.split(/[\s\-_.#:]+/).some((word) => word.startsWith(wanted))) return 1;
  if (name.includes(wanted)) return 2;
  let from = 0;
  for (const letter of wanted) {
    from = name.indexOf(letter, from) + 1;
    if (from === 0) return 4;
  }
  return 3;
}

/** Without case and accents. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
