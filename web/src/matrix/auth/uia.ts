// User-interactive authentication: stages, one after the other, until the server is content.

import { MatrixError } from "../api/error";
import { list, object, strings, text, type JsonObject } from "../json";

/** What the server wants next. */
export interface Stage {
  type: string;
  session: string;
  params: JsonObject;
}

/** It was done on the server's own page. */
export const ELSEWHERE = "elsewhere";

/** What somebody gave for a stage; `undefined`: they gave up. */
export type Answer = JsonObject | typeof ELSEWHERE | undefined;

/** Stages that somebody with a password can finish. */
export const BY_PASSWORD = ["m.login.password", "m.login.dummy"] as const;
/** Stages that somebody can finish who logs in at another service. */
export const BY_SSO = ["m.login.sso", "m.login.dummy"] as const;

/** A server that is never content is not asked for ever. */
const MOST_ROUNDS = 50;

/** Asks somebody for a stage: again, with what was wrong, when the server did not take the answer, or knows of none. */
export type AskStage = (stage: Stage, error: string | undefined) => Promise<Answer>;

/** Somebody who is asked for stages. */
export interface Asked {
  readonly ask: AskStage;
  /** What they can finish. */
  readonly supported: readonly string[];
}

/** The person gave up a stage. */
export class Cancelled extends Error {}

/**
 * Sends a request until the server is content. `ask` answers stages: without `session` and `type`, which are added. The flow that is followed is the shortest of those that `supported` can finish, else the first.
 */
export async function authenticate<T>(
  send: (auth: JsonObject | undefined) => Promise<T>,
  { ask, supported }: Asked,
): Promise<T> {
  let auth: JsonObject | undefined;
  let error: string | undefined;
  /** The stage that was said to be done elsewhere. */
  let elsewhere: string | undefined;
  for (let round = 0; ; round += 1) {
    try {
      return await send(auth);
    } catch (refusal) {
      const next = refusal instanceof MatrixError ? nextStage(refusal, supported) : undefined;
      if (!next || round === MOST_ROUNDS) throw refusal;
      // An answer to a stage with an error is the same stage again; some say no more than its code.
      const { body } = refusal as MatrixError;
      error = auth ? (text(body["error"]) ?? text(body["errcode"])) : undefined;
      if (next.type === elsewhere) error ??= "not done";
      const answer = await ask(next, error);
      if (!answer) throw new Cancelled();
      elsewhere = answer === ELSEWHERE ? next.type : undefined;
      auth = answer === ELSEWHERE ? { session: next.session } : { type: next.type, ...answer, session: next.session };
    }
  }
}

function nextStage(refusal: MatrixError, supported: readonly string[]): Stage | undefined {
  if (refusal.status !== 401) return undefined;
  const flows = list(refusal.body["flows"]).map((flow) => strings(object(flow)?.["stages"]));
  const session = text(refusal.body["session"]) ?? "";
  const completed = new Set(list(refusal.body["completed"]));
  const left = flows.map((stages) => stages.filter((stage) => !completed.has(stage)));
  const possible = left.filter((stages) => stages.every((stage) => supported.includes(stage)));
  const chosen = possible.sort((a, b) => a.length - b.length)[0] ?? left[0];
  const type = chosen?.[0];
  if (type === undefined) return undefined;
  const params = object(object(refusal.body["params"])?.[type]) ?? {};
  return { type, session, params };
}

/** The page on which a stage that this client does not know can be done. */
export function fallbackUrl(baseUrl: string, stage: Stage): string {
  const query = new URLSearchParams({ session: stage.session });
  return `${baseUrl}/_matrix/client/v3/auth/${encodeURIComponent(stage.type)}/fallback/web?${query}`;
}
