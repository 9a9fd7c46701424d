import { expect, test } from "vitest";

import { Caller, expose } from "./remote";

const part = {
  double: (value: number) => value * 2,
  fail: () => Promise.reject(new RangeError("too much")),
  noData: () => () => {},
};

function made() {
  const name = crypto.randomUUID();
  const [there, here] = [new BroadcastChannel(name), new BroadcastChannel(name)];
  const caller = new Caller(here);
  const close = () => [there, here].forEach((one) => one.close());
  return { there, close, caller, remote: caller.part<typeof part>("part") };
}

test("a call is answered with its value or its error, also where the answer can't go across", async () => {
  const { there, close, remote } = made();
  expose(there, async () => part);
  expect(await remote.double(4)).toBe(8);
  await expect(remote.fail()).rejects.toMatchObject({ name: "RangeError", message: "too much" });
  await expect(remote.noData()).rejects.toMatchObject({ name: "DataCloneError" });
  close();
});

test("a tab that is closed before it could answer answers nothing, and nothing else happens", async () => {
  const { there, close, caller, remote } = made();
  const asked = new Promise<void>((resolve) => {
    expose(there, () => {
      resolve();
      return new Promise((found) => setTimeout(() => found(part), 10));
    });
  });
  const answer = remote.fail();
  await asked;
  close();
  await new Promise((resolve) => setTimeout(resolve, 30));
  caller.fail(new Error("gone"));
  await expect(answer).rejects.toThrow("gone");
});
