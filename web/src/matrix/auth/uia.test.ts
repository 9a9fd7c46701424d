import { expect, test } from "vitest";

import { MatrixError } from "../api/error";
import type { JsonObject } from "../json";
import { authenticate, BY_PASSWORD, BY_SSO, Cancelled, ELSEWHERE, fallbackUrl, type AskStage, type Stage } from "./uia";

/** A server that wants these stages, and has what was sent to it. */
function wants(flows: string[][], isContent: (auth: JsonObject) => boolean) {
  const sent: (JsonObject | undefined)[] = [];
  const send = async (auth?: JsonObject) => {
    sent.push(auth);
    if (auth && isContent(auth)) return "done";
    throw new MatrixError(401, { session: "s1", flows: flows.map((stages) => ({ stages })), params: {} });
  };
  return { sent, send };
}

test("what was done on the server's own page is answered with the session alone", async () => {
  for (const type of ["m.login.sso", "org.example.captcha"]) {
    let seen: Stage | undefined;
    const { send, sent } = wants([[type]], () => true);
    const ask: AskStage = async (stage) => ((seen = stage), ELSEWHERE);
    expect(await authenticate(send, { ask, supported: BY_PASSWORD })).toBe("done");
    expect(sent).toEqual([undefined, { session: "s1" }]);
    expect(seen).toMatchObject({ type, session: "s1" });
  }
});

test("a stage that was said to be done elsewhere, and is not, is asked for again as one that was not taken", async () => {
  const { send } = wants([["m.login.sso"]], () => false);
  const errors: (string | undefined)[] = [];
  const ask: AskStage = async (_, error) => (errors.push(error), errors.length < 3 ? ELSEWHERE : undefined);
  await expect(authenticate(send, { ask, supported: BY_SSO })).rejects.toBeInstanceOf(Cancelled);
  expect(errors).toEqual([undefined, "not done", "not done"]);
});

test("the way is chosen that the person can go", async () => {
  for (const [supported, type] of [[BY_PASSWORD, "m.login.password"], [BY_SSO, "m.login.sso"]] as const) {
    const { send } = wants([["m.login.password"], ["m.login.sso"]], () => true);
    const seen: string[] = [];
    const ask: AskStage = async ({ type }) => (seen.push(type), {});
    await authenticate(send, { ask, supported });
    expect(seen).toEqual([type]);
  }
});

test("the page of a stage is the homeserver's, whatever the server calls stage and session", () => {
  const stage = { type: "../../evil?a#b", session: "s&1 #", params: {} };
  const url = new URL(fallbackUrl("https://a.test", stage));
  expect(url.origin).toBe("https://a.test");
  expect(url.pathname).toBe("/_matrix/client/v3/auth/..%2F..%2Fevil%3Fa%23b/fallback/web");
  expect(url.searchParams.get("session")).toBe("s&1 #");
  expect(url.hash).toBe("");
});
