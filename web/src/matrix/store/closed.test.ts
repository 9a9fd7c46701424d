import "fake-indexeddb/auto";

import { expect, test } from "vitest";

import { DataStore } from "./data";
import { unlock } from "./lock";
import { SessionStore } from "./sessions";

test("who still asks a store that its client has closed is told of no failure", async () => {
  const { data } = await unlock(await new SessionStore().lock("@lena:a"));
  const store = await DataStore.open("@lena:a", data);
  await store.setMeta("since", "1");
  const written = store.setMeta("since", "2");
  store.close();
  await written;
  const settled: unknown[] = [];
  const asked = [
    store.setMeta("since", "3"),
    store.write([], [["m.direct", {}]]),
    store.forget("!a"),
    store.forgottenWholly("!a"),
    store.enqueue("m1", {}, "u 0"),
    store.queued(),
    store.files.uploads(),
    store.files.forget("!a"),
  ];
  for (const one of asked) one.then(() => settled.push("answer"), (error: unknown) => settled.push(error));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(settled).toEqual([]);
  const again = await DataStore.open("@lena:a", data);
  expect(await again.meta("since")).toBe("2");
  again.close();
});
