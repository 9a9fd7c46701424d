// Where rows of a long list stand: as high as they were measured, or as they are guessed to be until then.

export interface Row {
  id: string;
}

export class Heights<R extends Row> {
  readonly #guess: (row: R) => number;
  readonly #measured = new Map<string, number>();
  #rows: readonly R[] = [];
  readonly #places = new Map<string, number>();
  #heights = new Float64Array(0);
  /** The top of each row, and of what would come after the last; right up to `#sure`. */
  #tops = new Float64Array(1);
  #sure = 0;

  constructor(guess: (row: R) => number) {
    this.#guess = guess;
  }

  set(rows: readonly R[]): void {
    const before = this.#rows;
    if (rows === before) return;
    // Mostly something comes at the end: what is above stays as it is.
    let same = 0;
    while (same < rows.length && rows[same]?.id === before[same]?.id) same += 1;
    for (const { id } of before.slice(same)) this.#places.delete(id);
    this.#rows = rows;
    this.#heights = resized(this.#heights, rows.length, same);
    this.#tops = resized(this.#tops, rows.length + 1, same + 1);
    this.#sure = Math.min(this.#sure, same);
    rows.slice(same).forEach((row, at) => {
      this.#places.set(row.id, same + at);
      this.#heights[same + at] = this.#measured.get(row.id) ?? this.#guess(row);
    });
  }

  /** Answers whether that was news. */
  measure(id: string, height: number): boolean {
    if (Math.abs((this.#measured.get(id) ?? -1) - height) < 0.5) return false;
    this.#measured.set(id, height);
    const place = this.#places.get(id);
    if (place === undefined) return false;
    this.#heights[place] = height;
    this.#sure = Math.min(this.#sure, place);
    return true;
  }

  isMeasured(id: string): boolean {
    return this.#measured.has(id);
  }

  /** All rows have another width now. */
  forget(): void {
    this.#measured.clear();
    const rows = this.#rows;
    this.#rows = [];
    this.set(rows);
  }

  placeOf(id: string): number | undefined {
    return this.#places.get(id);
  }

  /** The row at a place, of those that were set last. */
  idAt(place: number): string | undefined {
    return this.#rows[place]?.id;
  }

  get total(): number {
    return this.top(this.#rows.length);
  }

  top(place: number): number {
    const until = Math.min(Math.max(place, 0), this.#rows.length);
    for (; this.#sure < until; this.#sure += 1) {
      this.#tops[this.#sure + 1] = (this.#tops[this.#sure] ?? 0) + (this.#heights[this.#sure] ?? 0);
    }
    return this.#tops[until] ?? 0;
  }

  /** The row that is at a height; the first or the last, above or below all. */
  at(y: number): number {
    let [low, high] = [0, Math.max(this.#rows.length - 1, 0)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.top(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** An array of another length with the same beginning. */
function resized(array: Float64Array, length: number, same: number): Float64Array<ArrayBuffer> {
  const made = new Float64Array(length);
  made.set(array.subarray(0, same));
  return made;
}
