// Whether this person is there, as others are told; unless they do not want that.
//
//   online ──── nothing done for IDLE_MS ────► unavailable ──── something done ────► online
//
// The server takes somebody for gone who was not heard of for half a minute. The tab that owns the keys tells it with each
// answer of its sync, which come often enough; by a clock of its own a hidden page would be late.

import { MatrixError } from "../api/error";
import { path, type Http } from "../api/http";
import type { Client } from "../client";
import { text, type JsonObject } from "../json";
import { Topic } from "../topic";
import { isUnknown, type State } from "./presence";

/** Account data: so that it holds for all own devices of this client. */
export const HERE = "org.sealpost.presence";

const IDLE_MS = 5 * 60_000;
const AGAIN_MS = 20_000;

export interface Here {
  /** Others are told at all. */
  isSent: boolean;
  /** What is told with it; empty, if nothing is. */
  status: string;
}

export function hereOf(content: JsonObject | undefined): Here {
  return { isSent: content?.["is_sent"] !== false, status: text(content?.["status_msg"]) ?? "" };
}

export class OwnPresence {
  /** The server does not tell of it, as it says. */
  readonly isOffChanged = new Topic();
  isOff = false;
  readonly #http: Http;
  readonly #userId: string;
  readonly #here: () => Here;
  readonly #now: () => number;
  #lastActive: number;
  /** What the person wants is known, since a sync told it. */
  #hasBegun = false;
  #told: { state: State; status: string; at: number } | undefined;

  /** `here` answers what the person wants, as it is now. */
  constructor(http: Http, userId: string, here: () => Here, now = Date.now) {
    this.#http = http;
    this.#userId = userId;
    this.#here = here;
    this.#now = now;
    this.#lastActive = now();
  }

  /** What a sync says of this person by going on. */
  get state(): State {
    if (this.isOff || !this.#hasBegun || !this.#here().isSent) return "offline";
    return this.#now() - this.#lastActive < IDLE_MS ? "online" : "unavailable";
  }

  /** Somebody did something here. */
  active(): void {
    this.#lastActive = this.#now();
    if (this.#hasBegun && this.#told?.state !== "online") void this.beat();
  }

  /** The sync goes on. */
  async beat(): Promise<void> {
    this.#hasBegun = true;
    const { isSent, status } = this.#here();
    // Who does not want it told, and did not tell it, says nothing: another client may.
    if (this.isOff || (!isSent && (this.#told === undefined || this.#told.state === "offline"))) return;
    const [state, now] = [this.state, this.#now()];
    const isSame = this.#told?.state === state && this.#told.status === status;
    if (isSame && this.#told && now - this.#told.at < AGAIN_MS) return;
    await this.#tell(state, isSent ? status : "");
  }

  /** Something was said: servers take who says something to be there. */
  async spoke(): Promise<void> {
    if (this.#hasBegun && !this.isOff && !this.#here().isSent) await this.#tell("offline", "");
  }

  async #tell(state: State, status: string): Promise<void> {
    const before = this.#told;
    const told = (this.#told = { state, status, at: this.#now() });
    const at = path`/_matrix/client/v3/presence/${this.#userId}/status`;
    try {
      await this.#http.call("PUT", at, { body: { presence: state, ...(status && { status_msg: status }) }, impatient: true });
    } catch (error) {
      const isForbidden = error instanceof MatrixError && error.errcode === "M_FORBIDDEN";
      if (isForbidden || isUnknown(error)) {
        this.isOff = true;
        this.isOffChanged.emit();
      } else if (this.#told === told && !(error instanceof MatrixError)) {
        // It is told again with the next answer; a server that did not take it is left alone a while.
        this.#told = before && { ...before, at: 0 };
      }
    }
  }
}

/** What the person wants from now on; the next answer of the sync has it told. */
export async function setHere(client: Client, { isSent, status }: Here): Promise<void> {
  const content = { is_sent: isSent, ...(status && { status_msg: status }) };
  await client.api.setAccountData(HERE, content);
  client.accountData.set(HERE, content);
  client.changed.emit(new Set());
}
