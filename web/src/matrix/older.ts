// What was said before, fetched when somebody wants to see it.

import type { Api } from "./api/api";
import type { RoomEvent, StateEvent } from "./event";
import type { Room } from "./room/room";
import type { Gap } from "./room/timeline";
import type { SealedRooms } from "./sealed_rooms";

const PAGE = 40;

export class Older {
  readonly #api: Api;
  readonly #sealed: SealedRooms;
  readonly #came: (room: Room) => Promise<void>;

  /** `came`: something of it is there. */
  constructor(api: Api, sealed: SealedRooms, came: (room: Room) => Promise<void>) {
    this.#api = api;
    this.#sealed = sealed;
    this.#came = came;
  }

  /** Fetches what is before a gap's end; or, where that can be, what is after its beginning. */
  async fill(room: Room, gap: Gap, direction: "back" | "onward" = "back"): Promise<void> {
    if (direction === "onward" && gap.onward !== undefined) {
      const { events, state, end } = await this.#api.messages(room.id, gap.onward, PAGE, "f");
      return this.#take(room, state, () => room.fillOnward(gap, events, end));
    }
    let { token } = gap;
    const after = room.timeline.after(gap);
    if (!token && after) token = (await this.#api.tokenBefore(room.id, after.event_id)) ?? "";
    if (!token) return;
    const { events, state, end } = await this.#api.messages(room.id, token, PAGE);
    await this.#take(room, state, () => room.fill(gap, events, end));
  }

  /** Has an event in the timeline, with what is around it. Answers whether it is there. */
  async reach(room: Room, eventId: string): Promise<boolean> {
    if (room.timeline.find(eventId)) return true;
    const { events, state, start, end } = await this.#api.context(room.id, eventId, PAGE);
    await this.#take(room, state, () => room.insert(events, start, end));
    return room.timeline.find(eventId) !== undefined;
  }

  async #take(room: Room, state: StateEvent[], take: () => RoomEvent[]): Promise<void> {
    room.learnMembers(state.filter((event) => !room.state(event.type, event.state_key)));
    await this.#sealed.open(room, take());
    await this.#sealed.tellGap(room);
    // A list of readers may have been in the gap.
    await this.#sealed.warn(room);
    await this.#came(room);
  }
}
