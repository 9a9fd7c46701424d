// Roles, removing, banning, ignoring, reporting; and somebody who can't open what is sealed.
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, tomasz, panel;

before(async () => {
  await openBrowser();
  server = await Server.alone("people");
  [lena, tomasz] = await Promise.all([Person.register(server, "lena"), Person.register(server, "tomasz")]);
  await lena.startRoom("Garden house");
  await lena.invite(tomasz);
  await tomasz.accept(/Garden house/);
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  panel = lena.page.getByRole("complementary");
});

after(() => endWith(server));

/** Chooses in the menu about somebody. */
async function choose(name, what) {
  await panel.getByRole("button", { name: `More: ${name}` }).click();
  await lena.page.getByRole("menuitem", { name: what }).click();
}

test("a role is given", async () => {
  await choose("tomasz", "Change role");
  await lena.page.getByRole("radio", { name: "Looks after people" }).check();
  await assertAccessible(lena.page, "role");
  await lena.page.getByRole("button", { name: "Save", exact: true }).click();
  await panel.getByText("Looks after people").waitFor();
});

test("somebody is ignored, and heard again", async () => {
  await choose("tomasz", "Ignore");
  await panel.getByText("Ignored: the server leaves out").waitFor();
  await choose("tomasz", "Ignore no more");
  await panel.getByText("Ignored: the server leaves out").waitFor({ state: "detached" });
});

test("somebody is reported to those who run the server", async () => {
  await choose("tomasz", "Report");
  await lena.page.getByLabel("What is wrong").fill("Walks on the flower beds");
  await assertAccessible(lena.page, "report");
  await lena.page.getByRole("dialog").getByRole("button", { name: "Report" }).click();
  await lena.page.getByText("Reported. Thank you.").waitFor();
  await lena.page.keyboard.press("Escape");
});

test("somebody is banned with a reason, and may come back", async () => {
  await choose("tomasz", "Ban from room");
  await lena.page.getByLabel("Why").fill("The flower beds");
  await assertAccessible(lena.page, "why somebody is banned");
  await lena.page.getByRole("dialog").getByRole("button", { name: "Ban from room" }).click();
  await panel.getByText("The flower beds").waitFor();
  await assertAccessible(lena.page, "banned");
  // Who was banned is told by whom and why, with what was said there, until that is taken from the list.
  const notice = tomasz.page.getByRole("main").getByText("lena banned you from this room.");
  await notice.waitFor();
  await tomasz.page.getByRole("main").getByText("The flower beds").first().waitFor();
  await assertAccessible(tomasz.page, "taken out of a room");
  await tomasz.page.getByRole("button", { name: "Take it from the list" }).click();
  await tomasz.page.getByRole("navigation").getByText("Garden house").waitFor({ state: "detached" });
  await panel.getByRole("button", { name: "Let them come back" }).click();
  await panel.getByText("The flower beds").waitFor({ state: "detached" });
});

test("who has no device for sealed words is told of before, and can be written to unsealed elsewhere", async () => {
  const { id: otto } = await server.register("otto");
  await panel.getByLabel("Invite").fill(otto);
  await panel.getByRole("button", { name: "Invite", exact: true }).click();
  await panel.getByText("no device that can open sealed messages").first().waitFor();
  await assertAccessible(lena.page, "no device");
  await panel.getByRole("button", { name: "Talk unsealed" }).click();
  await lena.page.getByRole("textbox", { name: "Message With otto, unsealed" }).waitFor();
});
