import { expect, test } from "vitest";

import { discover, DiscoveryError, find, range, type Fetch } from "./discovery";

const origin = "https://matrix.garden.example";
const signal = new AbortController().signal;

function answering(answers: Record<string, unknown>): Fetch {
  return async (input) => {
    const found = answers[input.slice(origin.length)];
    return found === undefined
      ? new Response('{"errcode":"M_NOT_FOUND"}', { status: 404 })
      : new Response(typeof found === "string" ? found : JSON.stringify(found));
  };
}

const versions = { "/_matrix/client/versions": { versions: ["r0.6.1", "v1.1", "v1.10"] } };

test("name, address and version come from the well-known document", async () => {
  const found = await discover(
    origin,
    answering({
      ...versions,
      "/.well-known/matrix/client": {
        "m.homeserver": { base_url: "https://chat.garden.example/" },
        "org.sealpost.server": { name: "garden.example", version: "0.1.0" },
      },
    }),
    signal,
  );
  expect(found).toEqual({
    serverName: "garden.example",
    baseUrl: "https://chat.garden.example",
    software: "0.1.0",
    specification: ["r0.6.1", "v1.1", "v1.10"],
  });
});

test("without a well-known document the address in the browser stands for both", async () => {
  const found = await discover(origin, answering(versions), signal);
  expect(found.serverName).toBe("matrix.garden.example");
  expect(found.baseUrl).toBe(origin);
  expect(found.software).toBeUndefined();
});

test("a well-known document that is not JSON is passed over", async () => {
  const found = await discover(
    origin,
    answering({ ...versions, "/.well-known/matrix/client": "<html>" }),
    signal,
  );
  expect(found.baseUrl).toBe(origin);
});

test("a server that is named is asked for its well-known document once", async () => {
  const asked: string[] = [];
  const answers = answering({ ...versions, "/.well-known/matrix/client": { "m.homeserver": { base_url: origin } } });
  const fetch: Fetch = (input, init) => {
    asked.push(input);
    return answers(input, init);
  };
  const found = await find("@lena:matrix.garden.example", fetch, signal);
  expect(found).toMatchObject({ serverName: "matrix.garden.example", baseUrl: origin });
  expect(asked).toEqual([`${origin}/.well-known/matrix/client`, `${origin}/_matrix/client/versions`]);
});

test("an answer that no homeserver gives is an error", async () => {
  await expect(discover(origin, answering({}), signal)).rejects.toThrow(DiscoveryError);
  const odd = answering({ "/_matrix/client/versions": { versions: "v1.1" } });
  await expect(discover(origin, odd, signal)).rejects.toThrow(DiscoveryError);
});

test("versions of the specification are shown as a range", () => {
  expect(range(["r0.6.1", "v1.1", "v1.2", "v1.10"])).toBe("v1.1 to v1.10");
  expect(range(["v1.1"])).toBe("v1.1");
  expect(range(["r0.6.1"])).toBeUndefined();
});
