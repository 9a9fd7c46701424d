// Of messages that were removed nothing is kept on this device.

import type { RoomEvent } from "../event";

export class Removed {
  /** Are not kept any more. */
  readonly #forgotten = new Set<string>();

  /** `forget` takes ids of what was removed among some events, each once. */
  async among(events: readonly RoomEvent[], forget: (eventIds: string[]) => Promise<boolean>): Promise<void> {
    const ids = events.flatMap(({ type, event_id, redacts, unsigned }) => {
      return type === "m.room.redaction" ? (redacts ?? []) : unsigned?.["redacted_because"] ? event_id : [];
    });
    const fresh = ids.filter((id) => !this.#forgotten.has(id));
    if (fresh.length === 0) return;
    try {
      if (await forget(fresh)) for (const id of fresh) this.#forgotten.add(id);
    } catch (error) {
      console.error(error);
    }
  }
}
