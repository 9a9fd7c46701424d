// Why something did not work, in the person's language: what a server refused is told by its code.

import { MatrixError, Unreachable } from "../matrix/api/error";
import { UnderWay } from "../matrix/owner";
import { ahead, t } from "../ui/words.svelte";

/** Words by code, for a place where they mean something more certain than anywhere. */
export type Here = Readonly<Record<string, string>>;

/** Already in words for the person. */
export class Told extends Error {}

const LONGEST_SENTENCE = 200;
const LONGEST_WAIT_MS = 86_400_000;

/** Codes of which a server's own sentence tells more: what a password lacks, what is full, where to agree. */
const TOLD_MORE = new Set(["M_WEAK_PASSWORD", "M_RESOURCE_LIMIT_EXCEEDED", "M_CONSENT_NOT_GIVEN"]);

/** Sentences that say no more than that something may not be done; what else a server says with `M_FORBIDDEN` is its reason. */
const SAYS_NO_MORE =
  /permission|power|\blevel|\bmay not\b|not allowed|not (in|a member of|joined|invited to) (the|this|that)|user \S+ not in room|forbidden|not authori[sz]ed|unauthori[sz]ed|does not allow this/i;

export function saidBy(failure: unknown, here: Here = {}): string {
  if (failure instanceof MatrixError) return refusal(failure, here);
  if (failure instanceof Unreachable) return t.unreachable;
  if (failure instanceof UnderWay) return t.underWay;
  if (failure instanceof Told) return failure.message;
  console.error(failure);
  return t.somethingWrong;
}

/** Why a recovery key that was typed opens nothing. */
export function saidOfKey(failure: unknown): string {
  const words: Record<string, string> = { Encoding: t.recoveryMistyped, Authentication: t.recoveryOther, Unknown: t.recoveryNone, Replaced: t.recoveryReplaced };
  return words[failure instanceof Error ? failure.name : ""] ?? saidBy(failure);
}

function refusal(error: MatrixError, here: Here): string {
  const { errcode, status } = error;
  const own = Object.hasOwn(here, errcode) && here[errcode];
  if (own) return own;
  if (errcode === "M_LIMIT_EXCEEDED" || status === 429) return limited(error.retryAfterMs ?? 0);
  const known = Object.hasOwn(t.codes, errcode) ? t.codes[errcode as keyof typeof t.codes] : undefined;
  if (known) {
    const adds = TOLD_MORE.has(errcode) || (errcode === "M_FORBIDDEN" && !SAYS_NO_MORE.test(error.message));
    return adds ? withSentence(known, error) : known;
  }
  if (status === 413) return t.codes.M_TOO_LARGE;
  return withSentence(status >= 500 ? t.serverTrouble : t.refusedAny, error);
}

function limited(ms: number): string {
  return ms > 0 && ms <= LONGEST_WAIT_MS ? t.limitedFor(ahead(ms)) : t.limited;
}

/** The server's own sentence, if it has one: without what would turn or break the line, and not for ever. */
function withSentence(words: string, { body }: MatrixError): string {
  const given = typeof body["error"] === "string" ? body["error"].slice(0, 2 * LONGEST_SENTENCE) : "";
  const letters = [...given.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, " ").replace(/\s+/g, " ").trim()];
  if (letters.length === 0) return words;
  const isLong = letters.length > LONGEST_SENTENCE;
  return t.serverSays(words, isLong ? `${letters.slice(0, LONGEST_SENTENCE).join("")}…` : letters.join(""));
}
