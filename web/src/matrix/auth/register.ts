// Making an account.

import { MatrixError } from "../api/error";
import { Http } from "../api/http";
import { object, text } from "../json";
import { sessionOf, type Session } from "../session";
import { authenticate, type AskStage, type Stage } from "./uia";

/** Stages that this client can finish by itself or by asking the person. */
const STAGES = ["m.login.dummy", "m.login.registration_token", "m.login.terms"] as const;

export interface Policy {
  id: string;
  name: string;
  /** Where it is read, if that is a page of the web. */
  url?: string;
  /** What stands in the place of such a page, beside the name. */
  elsewhere?: string;
}

/** Of what is no such page, no more is shown. */
const LONGEST = 200;

/** `ask` is asked for stages other than `m.login.dummy`; for an unknown one, after the fallback page, it answers `ELSEWHERE`. */
export function register(
  http: Http,
  username: string,
  password: string,
  deviceName: string,
  ask: AskStage,
): Promise<Session> {
  return authenticate(
    async (auth) => {
      const answer = await http.call("POST", "/_matrix/client/v3/register", {
        body: {
          username,
          password,
          refresh_token: true,
          initial_device_display_name: deviceName,
          ...(auth && { auth }),
        },
        anonymous: true,
        impatient: true,
      });
      const session = sessionOf(http.baseUrl, answer);
      if (!session) throw new Error("the answer to the registration has no session");
      return session;
    },
    { ask: async (stage, error) => (stage.type === "m.login.dummy" ? {} : ask(stage, error)), supported: STAGES },
  );
}

/** Whether a name can be had; `undefined` when the server does not say. */
export async function isAvailable(http: Http, username: string): Promise<boolean | undefined> {
  try {
    await http.call("GET", "/_matrix/client/v3/register/available", {
      query: { username },
      anonymous: true,
      impatient: true,
    });
    return true;
  } catch (error) {
    const taken = ["M_USER_IN_USE", "M_EXCLUSIVE", "M_INVALID_USERNAME"];
    return error instanceof MatrixError && taken.includes(error.errcode) ? false : undefined;
  }
}

/** What `m.login.terms` wants to be agreed to, in the first of the languages that is there. Nothing is left out. */
export function policies(stage: Stage, languages: readonly string[]): Policy[] {
  const all = object(stage.params["policies"]) ?? {};
  return Object.entries(all).map(([id, policy]) => {
    const translations = object(policy) ?? {};
    const language = [...languages, "en", ...Object.keys(translations)].find((one) =>
      object(translations[one]),
    );
    const chosen = object(language && translations[language]);
    const [name, where] = [text(chosen?.["name"]), text(chosen?.["url"])];
    if (where === undefined) return { id, name: name ?? id };
    const url = pageAt(where);
    if (url !== undefined) return { id, name: name ?? url, url };
    return { id, name: name ?? id, elsewhere: where.slice(0, LONGEST) };
  });
}

/** An address of the web, written so that no page reads it as one within itself; no script, and no data. */
function pageAt(written: string): string | undefined {
  if (!URL.canParse(written)) return undefined;
  const { protocol, href } = new URL(written);
  return ["https:", "http:"].includes(protocol) ? href : undefined;
}
