// A server that asks on a page of its own whether it is really this person, as with single sign-on.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, second;
/** Whether what the page asks for was done. */
let isDone = false;

before(async () => {
  await openBrowser();
  server = await Server.alone("own-page");
  lena = await Person.register(server, "lena");
  second = await lena.secondDevice();
});

after(() => endWith(server));

const WANTED = { flows: [{ stages: ["m.login.sso"] }], params: {}, session: "s 1" };
const PAGE = `<!doctype html><title>Sign in</title><button onclick="done()">It is me</button>
  <script>function done() { fetch("/_matrix/done").finally(() => window.opener.postMessage("authDone", "*")); }</script>`;

/** The server lets nobody in by password; what it wants, it wants by its own page. */
async function asksOnPage(person, path) {
  const { context } = person;
  await context.route("**/_matrix/client/v3/login", (route) =>
    route.request().method() === "GET" ? route.fulfill({ json: { flows: [{ type: "m.login.sso" }] } }) : route.continue());
  await context.route("**/auth/m.login.sso/fallback/web?session=s+1", (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  await context.route("**/_matrix/done", (route) => ((isDone = true), route.fulfill({ json: {} })));
  await context.route(path, async (route) => {
    const { auth, ...body } = route.request().postDataJSON() ?? {};
    // As the specification has it: the session, and nothing else.
    const isRight = isDone && JSON.stringify(auth) === JSON.stringify({ session: "s 1" });
    if (!isRight) return route.fulfill({ status: 401, json: WANTED });
    isDone = false;
    const proof = path.endsWith("register")
      ? { type: "m.login.dummy" }
      : { type: "m.login.password", identifier: { type: "m.id.user", user: person.id }, password: person.password };
    const asked = await route.fetch({ postData: JSON.stringify(body) });
    if (asked.status() !== 401) return route.fulfill({ response: asked });
    const { session } = await asked.json();
    return route.continue({ postData: JSON.stringify({ ...body, auth: { ...proof, session } }) });
  });
}

/** Opens the page, and does there what it asks for; then this one goes on by itself. */
async function goesThere({ page }) {
  const [own] = await Promise.all([page.waitForEvent("popup"), page.getByRole("button", { name: "Open the page" }).click()]);
  await Promise.all([own.waitForEvent("close"), own.getByRole("button", { name: "It is me" }).click()]);
}

test("a device is removed by the server's own page, and by nothing before", async () => {
  const { page } = lena;
  await asksOnPage(lena, "**/_matrix/client/v3/devices/*");
  await page.getByRole("button", { name: "Settings" }).click();
  const row = page.getByRole("listitem").filter({ hasText: "Not approved" });
  await row.getByRole("button", { name: "Log out" }).click();
  const dialog = page.getByRole("dialog", { name: "Log out this device" });
  await dialog.getByText("The server will ask on a page of its own", { exact: false }).waitFor();
  assert.equal(await dialog.getByLabel("Your password").count(), 0);
  const go = dialog.getByRole("button", { name: "Log out this device" });
  await go.click();
  await dialog.getByText("It opens in another window", { exact: false }).waitFor();
  await assertAccessible(page, "the server's own page");
  // Given up, nothing has happened.
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.getByText("Nothing was done", { exact: false }).waitFor();
  await go.click();
  // Said to be done, and it is not.
  await dialog.getByRole("button", { name: "I am done there" }).click();
  await dialog.getByText("The server does not know yet that it is you.", { exact: false }).waitFor();
  // A page that leads this one elsewhere does so only if that is wanted, and is gone when it is needed no more.
  const [own] = await Promise.all([page.waitForEvent("popup"), page.getByRole("button", { name: "Open the page" }).click()]);
  await own.getByRole("button", { name: "It is me" }).waitFor();
  const asked = page.waitForEvent("dialog");
  // Both wait while it is asked.
  const led = own.evaluate(() => void (window.opener.location = "/elsewhere"));
  const leaving = await asked;
  assert.equal(leaving.type(), "beforeunload");
  await leaving.dismiss();
  await led;
  await Promise.all([own.waitForEvent("close"), dialog.getByRole("button", { name: "I am done there" }).click()]);
  await dialog.getByText("The server does not know yet that it is you.", { exact: false }).waitFor();
  // Another page can say what it likes.
  await page.evaluate(() => window.postMessage("authDone", "*"));
  await dialog.getByText("The server does not know yet that it is you.", { exact: false }).waitFor();
  assert.equal(await second.page.getByText("Your server logged this device out").count(), 0);
  await goesThere(lena);
  await dialog.waitFor({ state: "detached" });
  await row.waitFor({ state: "detached" });
  await second.page.getByText("Your server logged this device out").waitFor();
  assert.deepEqual(lena.crashes, []);
});

test("an identity is published by the server's own page", async () => {
  const jonas = await Person.open(server);
  await asksOnPage(jonas, "**/keys/device_signing/upload");
  await jonas.makesAccount("jonas");
  const banner = jonas.page.getByRole("status").filter({ hasText: "your server wants to be sure that it is you" });
  await banner.getByRole("button", { name: "Make known" }).click();
  await jonas.page.getByRole("dialog").getByRole("button", { name: "Make known" }).click();
  await goesThere(jonas);
  await jonas.page.getByText("Your recovery key is not saved yet.").waitFor();
  await banner.waitFor({ state: "detached" });
  assert.deepEqual(jonas.crashes, []);
  await jonas.close();
});

test("what else a server wants of a new account is done on its own page", async () => {
  const klara = await Person.open(server);
  await asksOnPage(klara, "**/_matrix/client/v3/register");
  const { page } = klara;
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Name").fill("klara");
  for (const label of ["Password", "Password again"]) await page.getByLabel(label, { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await assertAccessible(page, "a step on the server's own page");
  await page.getByRole("button", { name: "I am done there" }).click();
  await page.getByText("That step is not done yet.", { exact: false }).waitFor();
  await goesThere(klara);
  await page.getByRole("button", { name: "Search or jump to" }).waitFor();
  assert.deepEqual(klara.crashes, []);
  await klara.close();
});

test("an account is closed by the server's own page", async () => {
  const { page } = lena;
  await asksOnPage(lena, "**/_matrix/client/v3/account/deactivate");
  await page.getByRole("button", { name: "Close the account" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close the account for ever" }).click();
  await goesThere(lena);
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
});
