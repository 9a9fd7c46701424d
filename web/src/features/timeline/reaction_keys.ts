// What people answer with: mostly one picture, but whatever they like.

/** So much of it is shown. */
const KEY_MAX = 24;

export function shownKey(key: string): string {
  return [...key].slice(0, KEY_MAX).join("");
}
