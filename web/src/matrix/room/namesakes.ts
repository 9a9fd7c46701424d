// Who in a room is called like somebody else there: their names alone tell nobody apart.

/** Members by what they are called, as it looks. */
export class Namesakes {
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** `name`: what somebody is called now; `undefined`: they are not in the room. */
  set(userId: string, name: string | undefined): void {
    const [before, now] = [this.#names.get(userId), name && looks(name)];
    if (before === now) return;
    if (before !== undefined) this.#count(before, -1);
    if (now) {
      this.#names.set(userId, now);
      this.#count(now, 1);
    } else this.#names.delete(userId);
  }

  has(name: string): boolean {
    return (this.#counts.get(looks(name)) ?? 0) > 1;
  }

  #count(name: string, by: number): void {
    const count = (this.#counts.get(name) ?? 0) + by;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }
}

/** Without what can't be seen, and what is written in another way only. */
function looks(name: string): string {
  return name.normalize("NFKC").replace(/[\p{Cf}\p{Mn}]/gu, "").replace(/[\s\p{Z}]+/gu, " ").trim().toLowerCase();
}
