import { expect, test } from "vitest";

import { MatrixError, Unreachable } from "./error";
import { Http, path, type Tokens } from "./http";

const base = "https://garden.example";

/** Answers in turn; what was asked is in `asked`. */
function server(...answers: [status: number, body: object][]) {
  const asked: { url: string; token: string | undefined; body: unknown }[] = [];
  const fetch = async (url: string, init?: RequestInit) => {
    const headers = init?.headers as Record<string, string>;
    const body = init?.body ? JSON.parse(init.body as string) : undefined;
    asked.push({ url: url.slice(base.length), token: headers["authorization"], body });
    const [status, answer] = answers.shift() ?? [500, {}];
    return new Response(JSON.stringify(answer), { status });
  };
  return { asked, fetch };
}

const unknown = { errcode: "M_UNKNOWN_TOKEN", error: "unknown" };

test("a rate limit is waited out for as long as the server says", async () => {
  const slept: number[] = [];
  const { fetch, asked } = server(
    [429, { errcode: "M_LIMIT_EXCEEDED", retry_after_ms: 1234 }],
    [200, { ok: true }],
  );
  const http = new Http(base, fetch, { accessToken: "t" }, async (ms) => void slept.push(ms));
  expect(await http.call("GET", "/x", { query: { a: "b c", none: undefined } })).toEqual({ ok: true });
  expect(slept).toEqual([1234]);
  expect(asked[1]).toEqual({ url: "/x?a=b+c", token: "Bearer t", body: undefined });
});

test("a token that has run out is renewed once, for all who wait, and kept before it is used", async () => {
  const kept: Tokens[] = [];
  const { fetch, asked } = server(
    [401, unknown],
    [401, unknown],
    [200, { access_token: "new", refresh_token: "again" }],
    [200, { n: 1 }],
    [200, { n: 2 }],
  );
  const http = new Http(base, fetch, { accessToken: "old", refreshToken: "r" });
  http.onTokens = (tokens) => void kept.push(tokens);
  const both = await Promise.all([http.call("GET", "/a"), http.call("GET", "/b")]);
  expect(both).toEqual([{ n: 1 }, { n: 2 }]);
  expect(kept).toEqual([{ accessToken: "new", refreshToken: "again" }]);
  expect(asked.filter(({ url }) => url.endsWith("/refresh"))).toEqual([
    { url: "/_matrix/client/v3/refresh", token: undefined, body: { refresh_token: "r" } },
  ]);
  expect(asked.slice(3).map(({ token }) => token)).toEqual(["Bearer new", "Bearer new"]);
});

test("a soft logout is told from one that ends the device", async () => {
  for (const soft_logout of [true, false]) {
    const told: boolean[] = [];
    const http = new Http(base, server([401, { ...unknown, soft_logout }]).fetch, { accessToken: "t" });
    http.onLoggedOut = (soft) => void told.push(soft);
    await expect(http.call("GET", "/x")).rejects.toThrow(MatrixError);
    expect(told).toEqual([soft_logout]);
  }
});

test("what is said of a token with another status ends no session", async () => {
  for (const status of [400, 403, 404]) {
    const { fetch, asked } = server([status, unknown]);
    const http = new Http(base, fetch, { accessToken: "t", refreshToken: "r" });
    http.onLoggedOut = () => expect.unreachable();
    await expect(http.call("GET", "/profile")).rejects.toMatchObject({ status, isUnknownToken: false });
    expect(asked).toHaveLength(1);
  }
});

test("no answer is another error than a refusal", async () => {
  const http = new Http(base, () => Promise.reject(new TypeError("down")));
  await expect(http.call("GET", "/x")).rejects.toThrow(Unreachable);
  const refused = new Http(base, async () => new Response("<html>", { status: 502 }));
  await expect(refused.call("GET", "/x")).rejects.toMatchObject({ status: 502, errcode: "M_UNKNOWN" });
});

test("parts of a path are escaped", () => {
  expect(path`/rooms/${"!a/b:c"}/send/${"m.x"}`).toBe("/rooms/!a%2Fb%3Ac/send/m.x");
});
