// Who is there: told by who wants that, shown where people look for it.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, tomasz;

before(async () => {
  await openBrowser();
  server = await Server.alone("presence");
  [lena, tomasz] = await Promise.all([Person.register(server, "lena"), Person.register(server, "tomasz")]);
  await lena.meets(tomasz, "Are you there?");
});

after(() => endWith(server));

const rooms = () => lena.page.getByRole("navigation", { name: "Rooms" });
const settings = async () => {
  await tomasz.page.getByRole("button", { name: "Settings" }).click();
  return tomasz.page.getByRole("main");
};

/** Says something until Lena's page shows what is waited for: it looks again when it hears of somebody. */
async function untilShown(locator, state = "visible") {
  for (let at = 1; ; at += 1) {
    await tomasz.choose("lena");
    await tomasz.sends(`Word ${at} ${Date.now()}`);
    const isShown = await locator.waitFor({ state, timeout: 8000 }).then(() => true, () => false);
    if (isShown) return;
    assert.ok(at < 6, `${locator} is not ${state}`);
  }
}

test("that somebody is there is told in words in the list, in the head and among the people", async () => {
  await rooms().getByRole("button", { name: /^Online.*tomasz/ }).waitFor();
  await lena.page.getByRole("banner").or(lena.page.locator("main header")).getByText("· Online").waitFor();
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  await lena.page.getByRole("complementary").getByText("Online").first().waitFor();
  await assertAccessible(lena.page, "who is there");
});

test("a status stands beside the name, and is gone when it is taken away", async () => {
  const main = await settings();
  await main.getByLabel("Status", { exact: true }).fill("In the garden");
  await main.locator("form").filter({ hasText: "Status" }).getByRole("button", { name: "Save" }).click();
  await main.getByRole("button", { name: "Saved" }).waitFor();
  await assertAccessible(tomasz.page, "a status");
  await untilShown(lena.page.getByRole("complementary").getByText("Online · In the garden"));
});

test("who does not want it is not shown to be there", async () => {
  const main = await settings();
  await main.getByLabel("Let others see when I am here").uncheck();
  await main.getByLabel("Status", { exact: true }).waitFor({ state: "detached" });
  await untilShown(rooms().getByRole("button", { name: /^Online.*tomasz/ }), "detached");
  await lena.page.getByRole("complementary").getByText("In the garden").waitFor({ state: "detached" });
});

test("where a server tells nobody, nothing is shown and there is nothing to choose", async () => {
  await lena.page.route("**/presence/**", (route) =>
    route.fulfill({ status: 403, json: { errcode: "M_FORBIDDEN", error: "switched off" } }));
  const refused = lena.page.waitForResponse((answer) => answer.url().includes("/presence/") && answer.status() === 403);
  await lena.page.reload();
  await refused;
  await rooms().getByRole("button", { name: /tomasz/ }).waitFor();
  await lena.page.getByRole("button", { name: "Settings" }).click();
  await lena.page.getByLabel("Name that others see").waitFor();
  await lena.page.getByLabel("Let others see when I am here").waitFor({ state: "detached" });
  assert.equal(await rooms().getByText("Online").count(), 0);
});
