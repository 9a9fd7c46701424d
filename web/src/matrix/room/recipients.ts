// Whom a message that is sealed now goes to: the machine's rule (e2e/src/machine/recipients.rs), which it does not tell
// before it seals. A test holds both together.

import type { DeviceView, UserView } from "@e2e/machine";

import { text } from "../json";
import { isIn } from "./membership";
import type { Room } from "./room";

/**
 * `invited`: not before they come in; `changed`: left out until somebody looked at their new key; `stops`: nobody gets
 * anything until then; `no_device`: there is none that may read.
 */
export type Reach = "reads" | "invited" | "changed" | "stops" | "no_device";

/** Values of `m.room.history_visibility` with which those who are invited read. */
const INVITED_READ = new Set(["", "invited", "shared", "world_readable"]);

export interface Circle {
  visibility: string;
  /** At most two people are there. */
  isDirect: boolean;
  me: string;
}

export function circleOf(room: Room, me: string): Circle {
  const visibility = text(room.state("m.room.history_visibility")?.content["history_visibility"]) ?? "";
  const people = room.states("m.room.member").filter(({ content }) => isIn(content["membership"]));
  // Of members that are not known here the machine may know.
  const count = room.hasAllMembers ? people.length : Math.max(people.length, room.joined + room.invited);
  return { visibility, isDirect: count <= 2, me };
}

/** Devices with which somebody reads, or would. */
export function devicesOf(view: UserView | undefined): DeviceView[] {
  return view?.devices.filter((one) => one.is_ours && one.gone_at === null && !one.is_removed) ?? [];
}

/** `undefined`: it is not known yet. */
export function reachOf(view: UserView, membership: unknown, { visibility, isDirect, me }: Circle): Reach | undefined {
  if (membership === "invite" && !INVITED_READ.has(visibility)) return "invited";
  if (view.has_changed) return isDirect || view.is_verified || view.user_id === me ? "stops" : "changed";
  if (devicesOf(view).some((one) => one.is_vouched_for)) return "reads";
  return view.is_outdated ? undefined : "no_device";
}
