// An own device that was compared with is given what own devices have, in the transaction in which it became one: the keys
// that vouch for others, whom to believe, and, by a file, the keys of what was said before.
//
//   compared ──► signed ──► secrets, pins ──► historyDue ──► a file ──► told ──► historyTold ──► taken in

import { SECRETS, type JsonObject, type Machine, type Step, type Synced, type UserView } from "@e2e/machine";

import { object, text } from "../json";
import type { CryptoStorage, Values } from "./storage";

export type Write = <R>(step: Step<R>) => R;

/** What every approved device has. */
const HANDED = [SECRETS.selfSigning, SECRETS.userSigning, SECRETS.backupMac];
const [DUE, TOLD, LEFT_OUT] = ["historyDue", "historyTold", "historyLeftOut"];
/** So many files may wait to be fetched. */
const MOST_TOLD = 100;

/** A room whose keys did not go along, and why: they could not be put together here, or the server did not take them. */
export interface LeftOut {
  roomId: string;
  why: "broken" | "refused";
}

/** Hands over to own devices with which a comparison is done just now. */
export async function handOver(
  storage: CryptoStorage,
  userId: string,
  machine: Machine,
  write: Write,
  verifications: string[],
): Promise<Values> {
  const devices = verifications.flatMap((id) => {
    const view = machine.verification(id);
    return view?.state === "done" && view.user_id === userId && view.device_id !== null ? view.device_id : [];
  });
  const given = devices.filter((deviceId) => give(userId, deviceId, machine, write));
  if (given.length === 0) return [];
  const due = new Set([...(await historyDue(storage)), ...given]);
  return [["kept", DUE, [...due]]];
}

/** Whether this device had anything to give, and that one may have it. */
function give(userId: string, deviceId: string, machine: Machine, write: Write): boolean {
  if (!entitled(machine.user(userId)).includes(deviceId) || !has(machine, SECRETS.selfSigning)) return false;
  for (const name of HANDED) if (has(machine, name)) write(machine.shareSecret(deviceId, name));
  write(machine.sharePins(deviceId));
  return true;
}

/** The devices of this person that may have what own devices have. */
export function entitled(own: UserView): string[] {
  if (own.master_key !== own.pinned_key) return [];
  return own.devices.flatMap((one) => {
    // One that was removed is listed still: nothing is for it, and what it sent must not hold up the rest.
    const isGone = one.is_removed || one.gone_at !== null;
    return one.is_ours && one.is_vouched_for && !isGone ? one.device_id : [];
  });
}

function has(machine: Machine, name: string): boolean {
  try {
    return machine.secret(name).result.length > 0;
  } catch {
    return false;
  }
}

/** Own devices that are to get the keys of what was said before. */
export async function historyDue(storage: CryptoStorage): Promise<string[]> {
  return (await storage.get<string[]>("kept", DUE)) ?? [];
}

export async function historySent(storage: CryptoStorage, deviceId: string, leftOut: LeftOut[]): Promise<Values> {
  const left = (await historyDue(storage)).filter((one) => one !== deviceId);
  const others = (await historyLeftOut(storage)).filter(([of]) => of !== deviceId);
  const lacking = leftOut.length > 0 ? [...others, [deviceId, leftOut]] : others;
  return [
    ["kept", DUE, left.length > 0 ? left : undefined],
    ["kept", LEFT_OUT, lacking.length > 0 ? lacking : undefined],
  ];
}

/** What did not go to own devices that got the keys of what was said before. */
export async function historyLeftOut(storage: CryptoStorage): Promise<[deviceId: string, LeftOut[]][]> {
  return (await storage.get<[string, LeftOut[]][]>("kept", LEFT_OUT)) ?? [];
}

/** Files of keys for this device, of which an own one told. */
export async function historyTold(storage: CryptoStorage): Promise<JsonObject[]> {
  return (await storage.get<JsonObject[]>("kept", TOLD)) ?? [];
}

/** Keeps what own devices told, until it is fetched. */
export async function keepTold(
  storage: CryptoStorage,
  { userId, deviceId }: { userId: string; deviceId: string },
  { history }: Synced,
): Promise<Values> {
  const mine = history.flatMap(([from, told]) => (from === userId && text(told["for"]) === deviceId ? told : []));
  if (mine.length === 0) return [];
  return [["kept", TOLD, [...(await historyTold(storage)), ...mine].slice(-MOST_TOLD)]];
}

export async function historyTaken(storage: CryptoStorage, url: string): Promise<Values> {
  const left = (await historyTold(storage)).filter((one) => text(object(one["file"])?.["url"]) !== url);
  return [["kept", TOLD, left.length > 0 ? left : undefined]];
}
