// When words are found in others.

/** Without case and accents. */
function plain(words: string): string {
  return words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** The words of what somebody looks for. */
export function wordsOf(term: string): string[] {
  return plain(term).split(/\s+/).filter(Boolean);
}

/** Whether all of them are there; none are nowhere. */
export function hasWords(body: string, wanted: readonly string[]): boolean {
  const words = plain(body);
  return wanted.length > 0 && wanted.every((one) => words.includes(one));
}
