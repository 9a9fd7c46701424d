import { expect, test, vi } from "vitest";

import { speak } from "../../ui/words.svelte";
import { deviceName } from "./device_name";

const CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Sealpost in Firefox on Linux"],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/140.0.0.0`, "Sealpost in Edge on Windows"],
  [`Mozilla/5.0 (Linux; Android 10; K) ${CHROME} Mobile Safari/537.36`, "Sealpost in Chrome on Android"],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Sealpost in Safari on iOS",
  ],
  ["something else", "Sealpost in a browser"],
])("a device is called by its browser and system: %s", (agent, name) => {
  expect(deviceName(agent)).toBe(name);
});

test("a device is called so in the language of its person", async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await speak("de");
  expect(deviceName("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")).toBe("Sealpost in Firefox unter Linux");
  expect(deviceName("something else")).toBe("Sealpost in einem Browser");
  await speak("en");
  vi.unstubAllGlobals();
});
