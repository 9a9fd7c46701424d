// A server that wants to be sure who publishes an identity: a banner asks the person.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("identity");
});

after(() => endWith(server));

const UPLOAD = "**/keys/device_signing/upload";
const WANTED = { flows: [{ stages: ["m.login.password"] }], params: {}, session: "s1" };

/** Takes the identity from who gives the password with it. */
async function guarded(route) {
  const { auth, ...keys } = route.request().postDataJSON();
  if (auth?.password === lena.password) return route.continue({ postData: JSON.stringify(keys) });
  const json = auth ? { ...WANTED, errcode: "M_FORBIDDEN", error: "wrong" } : WANTED;
  return route.fulfill({ status: 401, json });
}

test("without a password at hand a banner asks for it, and goes when the identity is published", async () => {
  lena = await Person.open(server);
  await lena.page.route(UPLOAD, (route) => route.abort());
  const aborted = lena.page.waitForEvent("requestfailed", (request) => request.url().includes("device_signing"));
  await Promise.all([lena.makesAccount("lena"), aborted]);
  await lena.page.unroute(UPLOAD);
  await lena.page.route(UPLOAD, guarded);
  // The password is gone with the page.
  await lena.page.reload();
  const banner = lena.page.getByRole("status").filter({ hasText: "your server wants to be sure that it is you" });
  await banner.waitFor();
  await assertAccessible(lena.page, "an identity that is not published");
  await banner.getByRole("button", { name: "Make known" }).click();
  const dialog = lena.page.getByRole("dialog", { name: "Make your keys known" });
  await dialog.getByLabel("Your password").fill("not this one");
  await dialog.getByRole("button", { name: "Make known" }).click();
  await dialog.getByText("That is not your password.").waitFor();
  await assertAccessible(lena.page, "a password for the identity");
  await dialog.getByLabel("Your password").fill(lena.password);
  await dialog.getByRole("button", { name: "Make known" }).click();
  await lena.page.getByText("Your recovery key is not saved yet.").waitFor();
  await banner.waitFor({ state: "detached" });
  assert.deepEqual(lena.crashes, []);
});
