// SessionManager: sealing and opening what is said in rooms. The machine chooses ratchets for two people and sender keys
// for more, distributes and rotates them, and asks for missing ones; here is how that meets the disk.

import type { JsonObject, Machine, Outcome, RoomView, Sealed, Warning } from "@e2e/machine";

import { fromBase64 } from "../base64";
import type { RoomEvent } from "../event";
import { isPending, type Opened } from "../room/opened";
import { ALGORITHM } from "../room/room";
import type { Device } from "./device";
import { keep, messageIn, openedIn, type Kept, type KeptMessage, type KeptPage } from "./kept";
import { named } from "./named";

/** So many messages are looked through before what was found is told. */
const PAGE = 400;

/** What is to be sent for one message. */
export interface ToSend {
  /** Contents of `m.room.encrypted`, each under the transaction id of the message and its number. */
  contents: JsonObject[];
  audience: string;
  leftOut: string[];
  /** Which message that is; what an earlier version kept does not say it. */
  message?: { roomId: string; txnId: string };
}

export class SessionManager {
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  pushState(roomId: string, events: RoomEvent[], isWhole: boolean): Promise<RoomView> {
    const state = events as unknown as JsonObject[];
    return this.#device.run((machine) => machine.pushState(roomId, state, isWhole));
  }

  forgetMembers(roomId: string): Promise<null> {
    return this.#device.run((machine) => machine.forgetMembers(roomId));
  }

  /** Whether something was said in a room that is still to be fetched: keys that could read it are kept longer. */
  setGap(roomId: string, isOpen: boolean): Promise<null> {
    return this.#device.run((machine) => machine.setGap(roomId, isOpen));
  }

  room(roomId: string): Promise<RoomView> {
    return this.#device.read((machine) => machine.room(roomId));
  }

  /** The rooms that are sealed whatever their state says. */
  encryptedRooms(): Promise<string[]> {
    return this.#device.read((machine) => machine.encryptedRooms());
  }

  /** Whether everything is there to seal; else requests are to be sent first. */
  prepare(roomId: string): Promise<boolean> {
    return this.#device.run((machine) => machine.prepare(roomId));
  }

  /**
   * Seals a message, once: what was sealed for a transaction before is answered again while its readers may read.
   * `shown`: who was shown as readers when it was written. Errors: `NotReached`, with the people in its message, when it
   * would go to somebody without a key on any of their devices: of that nothing is kept.
   */
  async seal(roomId: string, txnId: string, type: string, content: JsonObject, shown?: string[]): Promise<ToSend> {
    const before = await this.#device.storage.get<ToSend>("sealed", txnId);
    if (before && (await this.#maySendAgain(roomId, before.audience))) return before;
    const toSend = (sealed: Sealed): ToSend => ({
      contents: sealed.events.map((event) => event.content),
      audience: sealed.audience,
      leftOut: sealed.left_out,
      message: { roomId, txnId },
    });
    return this.#device.batch((machine, write) => {
      const sealed = write(machine.encrypt(roomId, type, content, shown));
      const missed = this.#unreached(machine, sealed);
      if (missed.length > 0) throw named("NotReached", missed.join(" "));
      const result = toSend(sealed);
      return { result, values: [["sealed", txnId, result]] };
    });
  }

  /** What is kept of messages that were sealed and did not arrive yet, as far as that is known. */
  async sealed(): Promise<{ roomId: string; txnId: string }[]> {
    const found: { roomId: string; txnId: string }[] = [];
    let after: string | undefined;
    do {
      const page = await this.#device.storage.page<ToSend>("sealed", after, PAGE);
      found.push(...page.values.flatMap(({ message }) => message ?? []));
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /**
   * A message does not go out after all. If it was sealed already it has its place in the chain of this sender: the next
   * one begins another chain, or the others would miss it.
   */
  async giveUp(roomId: string, txnId: string): Promise<void> {
    if ((await this.#device.storage.get<ToSend>("sealed", txnId)) === undefined) return;
    await this.#device.run(
      (machine) => machine.rotate(roomId),
      () => [["sealed", txnId, undefined]],
    );
  }

  /** A message arrived at the server. */
  async forget(txnId: string): Promise<void> {
    await this.#device.storage.write({ values: [["sealed", txnId, undefined]] });
  }

  /**
   * Opens events in their order. The plaintext is stored in the transaction in which the ratchet goes on. `live`: those
   * that came while this device was there.
   */
  async open(roomId: string, events: RoomEvent[], live: ReadonlySet<string> = new Set()): Promise<Opened[]> {
    const keys = events.map((event) => `${roomId} ${event.event_id}`);
    return this.#device.batch(async (machine, write) => {
      // Here, as another tab may want the same events opened at the same time.
      const stored = await this.#device.storage.getAll<Kept>("opened", keys);
      const values: ["opened", string, unknown][] = [];
      const result = events.map((event, at) => {
        const before = stored[at];
        if (before) return openedIn(before);
        const json = event as unknown as JsonObject;
        const isLive = live.has(event.event_id);
        const isOld = () => !isLive && this.#isBefore(machine, event.origin_server_ts);
        const opened = openedOf(write(machine.decrypt(roomId, json)), isOld);
        const key = keys[at];
        if (!isPending(opened) && key) values.push(["opened", key, keep(roomId, event, opened)]);
        return opened;
      });
      return { result, values };
    });
  }

  /** Of messages that were removed nothing stays here. */
  async forgetOpened(roomId: string, eventIds: string[]): Promise<void> {
    const values = eventIds.map((id): ["opened", string, undefined] => ["opened", `${roomId} ${id}`, undefined]);
    await this.#device.batch(() => ({ result: undefined, values }));
  }

  /** Of what was said in a room nothing stays here, neither what was read nor what waits to be sent. */
  async forgetRoom(roomId: string): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#device.storage.page<Kept>("opened", after, PAGE);
      const ids = page.values.flatMap((kept) => ("opened" in kept && kept.at.roomId === roomId ? kept.at.eventId : []));
      await this.forgetOpened(roomId, ids);
      after = page.next;
    } while (after !== undefined);
    for (const one of await this.sealed()) if (one.roomId === roomId) await this.giveUp(roomId, one.txnId);
  }

  /** Looks for words in some of the messages that are kept: of these rooms, from a place on. */
  async searchKept(roomIds: string[], words: string[], after?: string): Promise<KeptPage> {
    const { storage } = this.#device;
    const rooms = new Set(roomIds);
    const [{ values, next }, total] = await Promise.all([storage.page<Kept>("opened", after, PAGE), storage.count("opened")]);
    const messages = values.flatMap((kept) => {
      const message = "opened" in kept && rooms.has(kept.at.roomId) ? messageIn(kept, words) : undefined;
      return message && (message.matches || message.target !== undefined) ? message : [];
    });
    return { messages, looked: values.length, total, next };
  }

  /** A message that is kept. */
  async keptMessage(roomId: string, eventId: string, words: string[]): Promise<KeptMessage | undefined> {
    const kept = await this.#device.storage.get<Kept>("opened", `${roomId} ${eventId}`);
    return kept && messageIn(kept, words);
  }

  /**
   * Of two people who talk, the one for whom there is no key at all: the words would stand there unread. In a group the
   * rest get the message, and whoever is not reached gets its key later.
   */
  #unreached(machine: Machine, { events, not_reached: notReached }: Sealed): string[] {
    if (events.at(-1)?.content["algorithm"] !== ALGORITHM) return [];
    const people = new Set(notReached.map(([userId]) => userId));
    people.delete(this.#device.userId);
    return [...people].filter((userId) => {
      const readers = machine.user(userId).devices.filter((one) => {
        return one.is_ours && one.is_vouched_for && !one.is_removed && one.gone_at === null;
      });
      return readers.every((one) => notReached.some(([of, deviceId]) => of === userId && deviceId === one.device_id));
    });
  }

  /** Who should not be among the readers of messages that were opened, by what is known now. */
  warnings(roomId: string, messages: { audience: string; at: number; isLive: boolean }[]): Promise<Warned[]> {
    return this.#device.batch((machine, write) => {
      const result = messages.map(({ audience, at, isLive }) => {
        const found = write(machine.warnings(roomId, fromBase64(audience), at));
        return warnedOf(found, () => !isLive && this.#isBefore(machine, at));
      });
      return { result };
    });
  }

  /** From before this device, as its server says: of history, lists of readers may be missing. */
  #isBefore(machine: Machine, at: number): boolean {
    const { userId, deviceId } = this.#device;
    const device = machine.user(userId).devices.find((one) => one.device_id === deviceId);
    return !device || at < device.seen_at;
  }

  #maySendAgain(roomId: string, audience: string): Promise<boolean> {
    return this.#device.run((machine) => machine.maySendAgain(roomId, fromBase64(audience)));
  }
}

/** What is said of a message's readers. */
type Warned = Pick<Extract<Opened, { status: "read" }>, "warnings" | "areReadersUnknown">;

function warnedOf(warnings: Warning[] | null, isOld: () => boolean): Warned {
  return {
    warnings: (warnings ?? []).map(({ user_id, device_id }) => ({ userId: user_id, deviceId: device_id })),
    areReadersUnknown: warnings === null && !isOld(),
  };
}

function openedOf(outcome: Outcome, isOld: () => boolean): Opened {
  if (outcome.status !== "read") return { status: outcome.status };
  return {
    status: "read",
    type: outcome.type,
    content: outcome.content,
    isVerified: outcome.sender.is_verified,
    isProven: outcome.sender.is_proven,
    sharedBy: outcome.sender.shared_by ?? undefined,
    audience: outcome.audience,
    ...warnedOf(outcome.audience_is_known ? outcome.warnings : null, isOld),
    isRelationWrong: outcome.relation.state === "wrong",
    ...(outcome.relation.state === "unchecked" && { means: outcome.relation.message_id }),
    messageId: outcome.message_id,
  };
}
