// Whether somebody is there, as servers tell it (client-server API, "Presence").

import { MatrixError } from "../api/error";
import { number, object, text, type Json } from "../json";

export type State = "online" | "unavailable" | "offline";

export interface Presence {
  state: State;
  /** When they did something last. */
  lastActive: number | undefined;
  /** What they say of it. */
  status: string | undefined;
}

const LONGEST_STATUS = 500;

/** `value` is the content of `m.presence`, or the answer about one person. Undefined, where it tells nothing. */
export function presenceOf(value: Json | undefined, now: number): Presence | undefined {
  const content = object(value);
  const state = stateOf(content?.["presence"]);
  if (!content || !state) return undefined;
  const ago = number(content["last_active_ago"]);
  const status = text(content["status_msg"])?.trim().slice(0, LONGEST_STATUS);
  const lastActive = ago === undefined || ago < 0 ? undefined : now - ago;
  return { state, lastActive, status: status || undefined };
}

/** Kinds of later versions are not shown rather than guessed at. */
function stateOf(value: Json | undefined): State | undefined {
  return value === "online" || value === "unavailable" || value === "offline" ? value : undefined;
}

/** The server does not know the endpoint. */
export function isUnknown(error: unknown): boolean {
  return error instanceof MatrixError && (error.errcode === "M_UNRECOGNIZED" || error.status === 405);
}
