// How a message leaves: sealed, in a room that is. There is no other way out.

import type { Api } from "../api/api";
import { isOutside, isRefusal } from "../api/error";
import { setState, stateContent } from "../api/rooms";
import type { Crypto } from "../crypto/crypto";
import type { ToSend } from "../crypto/session_manager";
import type { StateEvent } from "../event";
import { isIn } from "../room/membership";
import { isSpoken } from "../room/messages";
import { circleOf, reachOf } from "../room/recipients";
import { ALGORITHM, isOurs, type Room } from "../room/room";
import { Held, type Pending } from "./queue";

/** What a delivery wants to know of its client. */
export interface Around {
  /** A room that is known. */
  find(roomId: string): Room | undefined;
  /** A room, known from now on. */
  room(roomId: string): Room;
  /** Resolves when the encryption module is there; fails, if it could not be loaded. */
  loaded(): Promise<void>;
  /** The same, answered. */
  hasModule(): Promise<boolean>;
  /** Tells the machine who came and went in a room while it was not there. */
  tellMissed(room: Room): Promise<void>;
  /** Whether the rooms are known that are sealed although their state does not say so. */
  arePinsKnown(): boolean;
}

const ATTEMPTS = 6;

export class Delivery {
  readonly #api: Api;
  readonly #crypto: Crypto;
  readonly #me: string;
  readonly #around: Around;
  /** Rooms for which our algorithm was stated again: not without end against a server that does not want it. */
  readonly #stated = new Set<string>();
  /** What was sealed in this visit and not let go. */
  readonly #sealed = new Set<string>();

  constructor(api: Api, crypto: Crypto, me: string, around: Around) {
    this.#api = api;
    this.#crypto = crypto;
    this.#me = me;
    this.#around = around;
  }

  /** Answers the event's id. Errors: `Held`, when it is to wait. */
  async send(pending: Pending): Promise<string> {
    const { roomId, txnId, type, content, isSealed } = pending;
    if (isSealed) this.#around.room(roomId).pinSealed();
    if (!(await this.isSealed(roomId))) return this.#api.send(roomId, type, txnId, content);
    const sealed = await this.#seal(pending);
    this.#sealed.add(txnId);
    let eventId = "";
    try {
      for (const [at, content] of sealed.contents.entries()) {
        const isLast = at === sealed.contents.length - 1;
        const id = isLast ? txnId : `${txnId}.${at}`;
        eventId = await this.#api.send(roomId, "m.room.encrypted", id, content);
      }
    } catch (error) {
      // What holds nothing back is passed by what comes after it: that begins another chain, or the others would miss one.
      if (isRefusal(error) && !isSpoken(pending)) await this.giveUp(pending);
      throw error;
    }
    void this.#crypto.flush();
    return eventId;
  }

  /** The queue has let a message go that is at the server: not before it is forgotten how it was sealed. */
  async done({ txnId }: Pending): Promise<void> {
    if (this.#sealed.delete(txnId)) await this.#crypto.sessions.forget(txnId).catch((error: unknown) => console.error(error));
  }

  /**
   * Gives up what an earlier visit sealed and let go of in the same moment: it may have gone out or not. To be done before
   * anything is sealed.
   */
  async sweep(isQueued: (txnId: string) => Promise<boolean>): Promise<void> {
    try {
      for (const { roomId, txnId } of await this.#crypto.sessions.sealed()) {
        if (!(await isQueued(txnId))) await this.#crypto.sessions.giveUp(roomId, txnId);
      }
    } catch (error) {
      console.error(error);
    }
  }

  /** Of a message that is given up nothing stays here, and the others miss none. */
  async giveUp({ roomId, txnId }: Pending): Promise<void> {
    if (!(await this.#around.hasModule())) return;
    await this.#crypto.sessions.giveUp(roomId, txnId).catch((error: unknown) => console.error(error));
  }

  /**
   * Whether what is said in a room goes out sealed: asked before anything of it leaves, words and files alike. Errors:
   * `Held`, where nothing may leave, or nobody knows.
   */
  async isSealed(roomId: string): Promise<boolean> {
    const room = this.#around.find(roomId);
    if (!room) throw new Held("keys");
    if (room.sealing === "ours") return true;
    if (room.sealing === "foreign") throw new Held("foreign");
    if (await this.#around.hasModule()) {
      // Whatever its state says.
      if (!(await this.#crypto.sessions.room(roomId)).is_encrypted) return false;
      room.pinSealed();
      return true;
    }
    if (!this.#around.arePinsKnown()) throw new Held("module");
    return false;
  }

  async #seal({ roomId, txnId, type, content, shown }: Pending): Promise<ToSend> {
    try {
      await this.#around.loaded();
    } catch (error) {
      throw new Held("module", error);
    }
    if (["unapproved", "unpublished"].includes(this.#crypto.standing)) throw new Held("own_identity");
    try {
      await this.#prepare(roomId);
      const sealed = await this.#crypto.sessions.seal(roomId, txnId, type, content, shown);
      await this.#crypto.flush();
      return sealed;
    } catch (error) {
      const held = heldBy(error);
      if (held instanceof Held && held.why === "identity") throw new Held("identity", error, await this.#stopping(roomId));
      throw held;
    }
  }

  /** Whose new key stops what is said in a room; `undefined`, if that can't be told. */
  async #stopping(roomId: string): Promise<string[] | undefined> {
    const room = this.#around.room(roomId);
    const members = room.states("m.room.member").filter(({ content }) => isIn(content["membership"]));
    const circle = circleOf(room, this.#me);
    try {
      const views = await this.#crypto.keys.users(members.map(({ state_key }) => state_key));
      const stop = members.filter(({ content }, at) => {
        const view = views[at];
        return view && view.user_id !== this.#me && reachOf(view, content["membership"], circle) === "stops";
      });
      return stop.map(({ state_key }) => state_key);
    } catch (error) {
      console.error(error);
      return undefined;
    }
  }

  /** A server may have put another algorithm in the place of ours, as some do with each new room: states ours again. */
  async stateOurs(roomId: string): Promise<void> {
    if (this.#stated.has(roomId)) return;
    const { http } = this.#api;
    const found = await stateContent(http, roomId, "m.room.encryption");
    if (isOurs(found?.["algorithm"])) return;
    try {
      await setState(http, roomId, "m.room.encryption", { algorithm: ALGORITHM });
      this.#stated.add(roomId);
    } catch (error) {
      if (isRefusal(error)) this.#stated.add(roomId);
      throw error;
    }
  }

  /** Has everything that sealing wants: members, their devices, sessions with them. */
  async #prepare(roomId: string): Promise<void> {
    const { sessions } = this.#crypto;
    const room = this.#around.room(roomId);
    const state = room.states("m.room.encryption");
    await this.#around.tellMissed(room);
    if (!(await sessions.room(roomId)).is_encrypted) {
      // It is sealed by us, whatever its state says since.
      const content = { algorithm: ALGORITHM };
      const chosen = { type: "m.room.encryption", state_key: "", content, event_id: "", sender: this.#me, origin_server_ts: 0 };
      await sessions.pushState(roomId, [chosen, ...state, ...room.states("m.room.history_visibility")], false);
    }
    if (state.some(({ content }) => !isOurs(content["algorithm"])) && room.maySend(this.#me, "m.room.encryption", true)) {
      await this.stateOurs(roomId);
    }
    if (!(await sessions.room(roomId)).is_whole) {
      const members: StateEvent[] = await this.#api.members(roomId);
      room.learnMembers(members, true);
      await sessions.pushState(roomId, members, true);
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      await this.#crypto.flush();
      if (await sessions.prepare(roomId)) return;
    }
    throw new Held("keys");
  }
}

/** What an error of sealing means for the message. */
function heldBy(error: unknown): unknown {
  if (error instanceof Held || isOutside(error)) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: "" };
  if (name === "Identity") return new Held("identity", error);
  if (name === "NotReady") return new Held("keys", error);
  if (name === "NotReached") return new Held("unreached", error, message.split(" "));
  if (name === "Unencrypted") return new Held("foreign", error);
  return new Held("module", error);
}
