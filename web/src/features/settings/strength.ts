// How hard a passphrase is to guess, roughly: a hint, no promise.

export type Strength = "weak" | "fair" | "good";

const USUAL = /password|passwort|qwert|asdf|1234|letmein|iloveyou|geheim|admin|sealpost/gi;

export function strength(passphrase: string): Strength {
  // What repeats, counts up or is usual adds little.
  const rare = passphrase.replace(USUAL, "x");
  let letters = 0;
  for (let at = 0; at < rare.length; at += 1) {
    const by = rare.charCodeAt(at) - rare.charCodeAt(at - 1);
    letters += at > 0 && Math.abs(by) <= 1 ? 0.3 : 1;
  }
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}\s]/u].filter((kind) => kind.test(rare)).length;
  const words = new Set(rare.toLowerCase().split(/[\s_-]+/).filter((word) => word.length > 2)).size;
  const variety = Math.min(new Set(rare).size, 24) / Math.max(Math.min(rare.length, 24), 1);
  const bits = Math.max(letters * (1.8 + 0.5 * kinds) * Math.min(variety + 0.3, 1), Math.min(words, 8) * 12);
  return bits < 36 ? "weak" : bits < 55 ? "fair" : "good";
}
