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
      policies: { terms: { version: "1", en: english, de: german } },
    },
  };
  expect(policies(stage, ["de"])).toEqual([{ id: "terms", ...german }]);
  expect(policies(stage, ["fr"])).toEqual([{ id: "terms", ...english }]);
});

test("terms without a page of the web are named, and lead nowhere", () => {
  const odd = {
    script: { en: { name: "Terms", url: "javascript:alert(1)" } },
    spaced: { en: { url: " \tjava\nscript:alert(1)" } },
    data: { en: { name: "Data", url: `data:text/html,${"x".repeat(900)}` } },
    relative: { en: { name: "Here", url: "/terms" } },
    nowhere: { en: { name: "Spoken" } },
    other: { fr: { name: "Conditions", url: "http://garden.example/fr" } },
    within: { en: { url: "https:garden.example/in" } },
    none: { version: "1" },
    broken: 7,
  };
  const told = policies({ type: "m.login.terms", session: "", params: { policies: odd } }, ["de"]);
  expect(told.map(({ id }) => id)).toEqual(Object.keys(odd));
  expect(told.filter(({ url }) => url !== undefined)).toEqual([
    { id: "other", name: "Conditions", url: "http://garden.example/fr" },
    { id: "within", name: "https://garden.example/in", url: "https://garden.example/in" },
  ]);
  expect(told[0]).toEqual({ id: "script", name: "Terms", elsewhere: "javascript:alert(1)" });
  expect(told[2]?.elsewhere).toHaveLength(200);
  expect(told.slice(7).map(({ name }) => name)).toEqual(["none", "broken"]);
});
