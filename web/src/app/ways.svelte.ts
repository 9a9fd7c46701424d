// Where links and dates lead from a room, and what is asked on the way.

import type { Live } from "../features/live.svelte";
import { ifThere } from "../matrix/api/error";
import { isNamed } from "../matrix/room/aliases";
import { isIn } from "../matrix/room/membership";
import type { Room } from "../matrix/room/room";
import type { MatrixLink } from "../matrix/uri";
import { t } from "../ui/words.svelte";

/** What a room does for who goes somewhere. */
interface Steps {
  /** Brings an event of this room into view. */
  jump: (eventId: string) => Promise<void>;
  /** Shows somebody of this room. */
  person: (userId: string) => void;
  open: (roomId: string, eventId?: string) => void;
}

export class Ways {
  /** A link led to a room where this person is not. */
  elsewhere = $state.raw<MatrixLink>();
  /** A link led to a person with whom there is no chat. */
  somebody = $state<string>();
  /** A day is asked for. */
  isDating = $state(false);
  /** What was looked for is not there. */
  isLost = $state(false);

  readonly #live: Live;
  /** The room from which one goes; none, who comes from another program. */
  readonly #room: Room | undefined;
  readonly #steps: Steps;

  constructor(live: Live, room: Room | undefined, steps: Steps) {
    this.#live = live;
    this.#room = room;
    this.#steps = steps;
  }

  follow(link: MatrixLink): void {
    const { open, jump, person } = this.#steps;
    if (link.id.startsWith("@")) {
      const isHere = isIn(this.#room?.known("m.room.member", link.id)?.content["membership"]);
      return isHere ? person(link.id) : this.writeTo(link.id);
    }
    const found = this.#live.rooms.find((one) => one.membership === "join" && isAt(one, link.id));
    if (found && found === this.#room && link.eventId) void jump(link.eventId);
    else if (found) open(found.id, link.eventId);
    else this.elsewhere = link;
  }

  /** Opens the chat that there is with somebody, or asks about a new one. */
  writeTo(userId: string): void {
    const direct = this.#live.client.directWith(userId);
    if (direct) this.#steps.open(direct.id);
    else this.somebody = userId;
  }

  /** The room to which a link led is open to this person now, or asked for. */
  enter(roomId: string, eventId: string | undefined): void {
    this.elsewhere = undefined;
    this.#steps.open(roomId, eventId);
  }

  /** A chat with somebody was opened. */
  talk(roomId: string): void {
    this.somebody = undefined;
    this.#steps.open(roomId);
  }

  async goTo(ts: number): Promise<void> {
    this.isDating = false;
    const room = this.#room;
    if (!room) return;
    const { client, troubles } = this.#live;
    const go = async () => {
      const eventId = await ifThere(client.api.eventAt(room.id, ts));
      if (eventId) await this.#steps.jump(eventId);
      else this.isLost = true;
    };
    await troubles.try(go, (why) => t.dayNotFound(why));
  }
}

function isAt(room: Room, id: string): boolean {
  return room.id === id || isNamed(room.known("m.room.canonical_alias")?.content ?? {}, id);
}
