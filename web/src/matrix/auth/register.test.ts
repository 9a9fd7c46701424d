import { expect, test } from "vitest";

import { Http } from "../api/http";
import { policies, register } from "./register";
import { Cancelled } from "./uia";

const session = { user_id: "@lena:garden.example", device_id: "D", access_token: "t" };

/** A server that wants these stages, in one flow. */
function server(stages: string[], token = "let-me-in") {
  const completed: string[] = [];
  const asked: unknown[] = [];
  return {
    asked,
    fetch: async (_: string, init?: RequestInit) => {
      const { auth } = JSON.parse(init?.body as string);
      asked.push(auth);
      const wrong = auth?.type === "m.login.registration_token" && auth.token !== token;
      if (auth && !wrong) completed.push(auth.type);
      if (stages.every((stage) => completed.includes(stage))) {
        return new Response(JSON.stringify(session));
      }
      const challenge = {
        flows: [{ stages }],
        completed,
        session: "s1",
        params: {},
        ...(wrong && { errcode: "M_UNAUTHORIZED", error: "not valid" }),
      };
      return new Response(JSON.stringify(challenge), { status: 401 });
    },
  };
}

test("token and terms are asked for, the rest is done without asking", async () => {
  const { fetch, asked } = server(["m.login.registration_token", "m.login.terms", "m.login.dummy"]);
  const seen: [string, string | undefined][] = [];
  const given = ["wrong", "let-me-in"];
  const made = await register(new Http("https://a", fetch), "lena", "pw", "Lena’s browser", async (stage, error) => {
    seen.push([stage.type, error]);
    return stage.type === "m.login.registration_token" ? { token: given.shift() ?? "" } : {};
  });
  expect(made.userId).toBe("@lena:garden.example");
  expect(seen).toEqual([
    ["m.login.registration_token", undefined],
    ["m.login.registration_token", "not valid"],
    ["m.login.terms", undefined],
  ]);
  expect(asked.at(-1)).toEqual({ type: "m.login.dummy", session: "s1" });
});

test("who gives up a stage is not registered", async () => {
  const { fetch } = server(["m.login.terms"]);
  const made = register(new Http("https://a", fetch), "lena", "pw", "Lena’s browser", async () => undefined);
  await expect(made).rejects.toThrow(Cancelled);
});

test("terms are shown in a language that the person reads, and only as web pages", () => {
  const english = { name: "Terms", url: "https://a/en" };
  const german = { name: "Regeln", url: "https://a/de" };
  const stage = {
    type: "m.login.terms",
    session: "",
    params: {
      policies: { terms: { version: "1", en: english, de: german }, odd: { en: { url: "javascript:1" } } },
    },
  };
  expect(policies(stage, ["de"])).toEqual([german]);
  expect(policies(stage, ["fr"])).toEqual([english]);
});
