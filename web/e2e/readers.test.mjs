// "Who can read this?": the people and devices that the next message goes to, who gets nothing of it and why.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, lenaAndJonas, openBrowser, Person } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas, klara, mara, panel, nothing;

before(async () => {
  await openBrowser();
  server = await Server.alone("readers");
  [lena, jonas] = await lenaAndJonas(server);
  [klara, mara] = await Promise.all(["klara", "mara"].map((name) => Person.register(server, name)));
  await lena.startRoom("Garden house");
  for (const other of [jonas, klara]) {
    await lena.invite(other);
    await other.accept(/Garden house/);
  }
  panel = lena.page.getByRole("complementary");
  nothing = panel.getByRole("region", { name: "Get nothing of it" });
});

after(() => endWith(server));

async function open() {
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  await panel.getByText("This browser").waitFor();
}

const close = () => panel.getByRole("button", { name: "Close" }).click();
const row = (id, within = panel) => within.getByRole("listitem").filter({ hasText: id });

test("it names the people, and the devices of each", async () => {
  await open();
  await panel.getByText("can be opened by these people, on these devices, and by nobody else", { exact: false }).waitFor();
  for (const { id } of [jonas, klara]) {
    await row(id).getByText("1 device", { exact: true }).waitFor();
    await row(id).getByText("Devices that read with them").click();
    await row(id).getByRole("listitem").first().waitFor();
  }
  assert.equal(await nothing.count(), 0);
  assert.equal(await panel.getByText("Look at this").count(), 0);
  await assertAccessible(lena.page, "devices of people");
  await close();
});

test("a device that its owner has not approved is warned of, and gets nothing", async () => {
  const second = await jonas.secondDevice();
  await open();
  await row(jonas.id).getByText("Not approved. It gets no keys.", { exact: false }).waitFor();
  await panel.getByText("A device was added here that its owner has not approved. It gets no keys.").waitFor();
  await row(jonas.id).getByText("1 device", { exact: true }).waitFor();
  await assertAccessible(lena.page, "a device that nobody approved");
  await close();
  await lena.sends("not-on-every-device");
  await jonas.reads("not-on-every-device");
  await second.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Garden house" }).click();
  await second.message("this device is not approved yet").waitFor();
  assert.equal(await second.page.getByText("not-on-every-device").count(), 0);
  await second.close();
});

test("an invitation says who asks, and where", async () => {
  await lena.startChat(mara);
  await lena.sends("come-and-see");
  await mara.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "lena" }).click();
  await mara.page.getByRole("button", { name: "Accept" }).waitFor();
  await assertAccessible(mara.page, "an invitation");
  await lena.choose("Garden house");
});

test("those who get nothing stand apart, each with the reason, and get nothing indeed", async () => {
  const otto = await server.register("otto");
  await lena.chooseAbout("Room settings");
  const settings = lena.page.getByRole("dialog", { name: "Room settings" });
  await settings.getByRole("tab", { name: "Who comes in" }).click();
  await settings.getByLabel("Who reads what was said before").selectOption({ label: "People from when they came in" });
  await lena.page.keyboard.press("Escape");
  await settings.waitFor({ state: "detached" });
  // One without a device, one who was invited, one who is another since.
  await open();
  await panel.getByLabel("Invite").fill(otto.id);
  await panel.getByRole("button", { name: "Invite", exact: true }).click();
  await panel.getByRole("button", { name: "Invite anyway" }).click();
  await row(otto.id, nothing).waitFor();
  await close();
  const token = await server.logIn(lena);
  const roomId = decodeURIComponent(/![^/]+/.exec(lena.page.url())[0]);
  await server.call(otto.token, "POST", `/join/${encodeURIComponent(roomId)}`, {});
  await server.call(token, "POST", `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: mara.id });
  const other = await klara.secondDevice();
  await other.page.getByRole("button", { name: "Approve" }).click();
  await other.page.getByRole("dialog").getByRole("button", { name: "I have neither" }).click();
  await other.page.getByLabel("Your password").fill(klara.password);
  await other.page.getByRole("button", { name: "Begin with a new identity" }).click();
  await other.page.getByRole("dialog", { name: "Your recovery key" }).waitFor();

  await open();
  await row(otto.id, nothing).getByText("No device that can open sealed messages").waitFor();
  await row(mara.id, nothing).getByText("Gets nothing before coming in", { exact: false }).waitFor();
  await row(klara.id, nothing).getByText("klara gets nothing until you have looked.").waitFor();
  await panel.getByText("Nobody vouches for otto", { exact: false }).waitFor();
  await panel.getByText("New key: klara. They get nothing until you have looked.").waitFor();
  assert.equal(await row(jonas.id, nothing).count(), 0);
  await assertAccessible(lena.page, "who gets nothing");
  await close();
  const from = server.proxy.requests.length;
  await lena.sends("for-jonas-and-nobody-else");
  await jonas.reads("for-jonas-and-nobody-else");
  const told = server.proxy.requests.slice(from).filter(({ method, path, body }) => method === "PUT" && /\/send(ToDevice)?\//.test(path) && body);
  assert.ok(told.some(({ body }) => body.includes(jonas.id)));
  for (const { id } of [otto, mara, klara]) assert.deepEqual(told.filter(({ body }) => body.includes(id)), []);
  assert.deepEqual(foundAt(["not-on-every-device", "for-jonas-and-nobody-else"], server), []);
  assert.deepEqual([...lena.crashes, ...jonas.crashes], []);
});
