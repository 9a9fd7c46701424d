import type { Machine } from "@e2e/machine";
import { expect, test } from "vitest";

import { handOver } from "./approval";
import type { CryptoStorage } from "./storage";

const ME = "@me:a.test";

/** What is handed over to a device with which a comparison is done; whoever is not entitled gets an error, as of the module. */
async function handed(device: object, master = "key"): Promise<{ shared: string[]; values: unknown[] }> {
  const shared: string[] = [];
  const NEW = { device_id: "NEW", is_ours: true, is_vouched_for: true, is_removed: false, gone_at: null, ...device };
  const isEntitled = !NEW.is_removed && NEW.gone_at === null && master === "key";
  const share = (what: string) => {
    if (!isEntitled) throw Object.assign(new Error("not vouched for"), { name: "Identity" });
    shared.push(what);
    return { result: null, rows: [] };
  };
  const machine = {
    verification: () => ({ state: "done", user_id: ME, device_id: "NEW" }),
    user: () => ({ master_key: master, pinned_key: "key", devices: [NEW] }),
    secret: () => ({ result: new Uint8Array(32), rows: [] }),
    shareSecret: (_: string, name: string) => share(name),
    sharePins: () => share("pins"),
  };
  const storage = { get: async () => undefined };
  const args = [storage as unknown as CryptoStorage, ME, machine as unknown as Machine] as const;
  return { values: await handOver(...args, (step) => step.result, ["v"]), shared };
}

test("an own device that was compared with gets secrets, pins and what was said before", async () => {
  const { shared, values } = await handed({});
  expect(shared).toHaveLength(4);
  expect(values).toEqual([["kept", "historyDue", ["NEW"]]]);
});

test("one that was removed, is gone, or is of another identity gets nothing, and holds up no sync", async () => {
  for (const device of [{ is_removed: true }, { gone_at: 5 }]) {
    expect(await handed(device)).toEqual({ shared: [], values: [] });
  }
  expect(await handed({}, "another")).toEqual({ shared: [], values: [] });
});
