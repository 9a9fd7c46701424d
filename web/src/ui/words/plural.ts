// A number and what it counts, as a language writes them.

/** For languages with one form for one and another for all else. */
export function pluralIn(language: string): (count: number, one: string, more: string) => string {
  const numbers = new Intl.NumberFormat(language);
  return (count, one, more) => `${numbers.format(count)} ${count === 1 ? one : more}`;
}
