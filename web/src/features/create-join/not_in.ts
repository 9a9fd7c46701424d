// Why a room could not be entered, in the person's language.

import { MatrixError } from "../../matrix/api/error";
import { t } from "../../ui/words.svelte";
import { saidBy } from "../refused";

/** This person's server is there, and none of those on which it depends here. */
function isAway({ status, body }: MatrixError): boolean {
  return (status === 502 || status === 504) && body["errcode"] === "M_UNKNOWN";
}

function isBan({ errcode, message }: MatrixError): boolean {
  return errcode === "M_FORBIDDEN" && /\bban(ned)?\b/i.test(message);
}

/** The way in is shut to who is not asked in; to who is banned, it is whatever they ask. */
export function isShut(failure: unknown): boolean {
  return failure instanceof MatrixError && failure.errcode === "M_FORBIDDEN" && !isBan(failure);
}

export function whyNotIn(failure: unknown): string {
  if (!(failure instanceof MatrixError)) return saidBy(failure);
  if (isAway(failure)) return t.joinUnanswered;
  if (isBan(failure)) return t.joinBanned;
  if (failure.status === 404) return t.joinNotFound;
  const said = saidBy(failure);
  if (failure.errcode !== "M_FORBIDDEN") return said;
  // A reason of the server's own is told; else it is the usual one.
  return said === t.codes.M_FORBIDDEN || /invit|not `?public/i.test(failure.message) ? t.joinForbidden : said;
}
