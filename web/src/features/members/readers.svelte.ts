// Who can read the next message of a room: as the machine knows people and devices.

import type { DeviceView, UserView } from "@e2e/machine";

import { isIn } from "../../matrix/room/membership";
import { circleOf, devicesOf, reachOf, type Reach } from "../../matrix/room/recipients";
import { profile } from "../../matrix/room/names";
import type { Room } from "../../matrix/room/room";
import { hasWords, wordsOf } from "../../matrix/search/words";
import type { Live } from "../live.svelte";

export interface Reader {
  userId: string;
  view: UserView | undefined;
  /** Whether the next message goes to them; as far as that is known. */
  reach: Reach | undefined;
}

/** Not by the rules of a language: that takes four times as long, and a large room is sorted often. */
const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Those of them that their owner did not approve. */
export function ghostsOf(view: UserView | undefined): DeviceView[] {
  return devicesOf(view).filter((one) => !one.is_vouched_for);
}

/** Those in whose name or address is what was typed. */
export function named<R extends Pick<Reader, "userId">>(people: readonly R[], room: Room, term: string): readonly R[] {
  const words = wordsOf(term);
  if (words.length === 0) return people;
  return people.filter(({ userId }) => hasWords(`${profile(room, userId).name} ${userId}`, words));
}

function isLeftOut({ reach }: Reader): boolean {
  return reach === "invited" || reach === "changed" || reach === "no_device";
}

export class Readers {
  all = $state.raw<Reader[]>([]);
  isLoading = $state(false);
  failed = $state(false);

  readonly #live: Live;
  readonly #room: Room;
  #loads = 0;

  constructor(live: Live, room: Room) {
    this.#live = live;
    this.#room = room;
  }

  /** People whose key has changed. */
  get changed(): string[] {
    return this.all.filter(({ view }) => view?.has_changed).map(({ userId }) => userId);
  }

  /** Those who read the next message, or may. */
  get reading(): Reader[] {
    return this.all.filter((one) => !isLeftOut(one));
  }

  /** Those to whom it does not go. */
  get leftOut(): Reader[] {
    return this.all.filter(isLeftOut);
  }

  isVerified(userId: string): boolean {
    return this.all.some((one) => one.userId === userId && one.view?.is_verified === true);
  }

  /** Asks anew; `fetch`: the server too. */
  async load(fetch = false): Promise<void> {
    const { client } = this.#live;
    const load = (this.#loads += 1);
    this.isLoading = true;
    this.failed = false;
    try {
      if (fetch) await client.loadMembers(this.#room);
      const isThere = !["loading", "unavailable"].includes(client.crypto.standing);
      const isSealed = this.#room.sealing === "ours" && isThere;
      const members = this.#room.states("m.room.member").flatMap(({ state_key, content: { membership } }) => {
        return isIn(membership) ? state_key : [];
      });
      const views = isSealed ? await client.crypto.keys.users(members) : [];
      const circle = circleOf(this.#room, client.me);
      const all = members.map((userId, at): Reader => {
        const membership = this.#room.state("m.room.member", userId)?.content["membership"];
        const view = views[at];
        return { userId, view, reach: view && reachOf(view, membership, circle) };
      });
      if (load !== this.#loads) return;
      const rank = (one: Reader) => (one.userId === client.me ? 0 : one.view?.has_changed ? 1 : 2);
      this.all = all.toSorted((a, b) => rank(a) - rank(b) || order(a.userId, b.userId));
    } catch (error) {
      console.error(error);
      this.failed = true;
    } finally {
      if (load === this.#loads) this.isLoading = false;
    }
  }
}
