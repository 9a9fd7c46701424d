// Files on their way from who chooses them to who sees them: chosen, described, sent.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes, fits } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("files");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "files follow");
});

after(() => endWith(server));

const pdf = (name) => ({ name, mimeType: "application/pdf", buffer: Buffer.from(`inside of ${name}`) });
const tray = () => lena.page.getByRole("list", { name: "Files to send" });
const choose = (files) => lena.page.locator("input[type=file]").setInputFiles(files);
const asked = (part) => server.proxy.requests.filter(({ path }) => path.includes(part)).length;

async function picture(name) {
  const encoded = await lena.page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 400, height: 300 });
    canvas.getContext("2d").fillRect(40, 40, 200, 150);
    return canvas.toDataURL("image/png").split(",")[1];
  });
  return { name, mimeType: "image/png", buffer: Buffer.from(encoded, "base64") };
}

test("files that are chosen wait until they are sent, and are taken out by key", async () => {
  const { page } = lena;
  await choose([pdf("roof.pdf"), pdf("wall.pdf"), pdf("gate.pdf")]);
  await tray().getByText("gate.pdf").waitFor();
  await page.getByRole("status").getByText("3 files are ready to be sent").waitFor();
  await assertAccessible(page, "files that were chosen");
  await page.setViewportSize({ width: 360, height: 720 });
  await fits(page);
  await assertAccessible(page, "files that were chosen, on a phone");
  await page.setViewportSize({ width: 1280, height: 800 });
  await tray().getByRole("button", { name: "Take out wall.pdf" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Take out gate.pdf");
  await page.keyboard.press("Escape");
  await tray().getByText("What you write goes with it").waitFor();
  // They are there also when somebody comes back.
  await lena.startRoom("Elsewhere", "", { isSealed: false });
  assert.equal(await tray().count(), 0);
  await lena.choose("jonas");
  await tray().getByText("roof.pdf").waitFor();
  await lena.field().focus();
  await page.keyboard.press("Escape");
  await tray().waitFor({ state: "detached" });
  assert.equal(asked("/media/v3/upload"), 0);
});

test("what is said of a single file stands below it, in its quote and in what is found", async () => {
  await choose(await picture("roof.png"));
  await tray().locator("img").waitFor();
  await lena.say("the **new** roof");
  await tray().waitFor({ state: "detached" });
  const row = jonas.page.getByRole("article").filter({ hasText: "the new roof" });
  await row.getByRole("img", { name: "roof.png" }).waitFor();
  await comes(() => row.locator("strong").innerText(), "new");
  await assertAccessible(jonas.page, "a picture with words");
  await jonas.reply("the new roof", "well done");
  const answer = lena.page.getByRole("article").filter({ hasText: "well done" });
  await answer.getByText("Picture: the new roof").waitFor();
  await jonas.page.getByRole("button", { name: "Picture: roof.png" }).first().click();
  await jonas.page.getByRole("dialog", { name: "Picture" }).getByText("the new roof").waitFor();
  await jonas.page.keyboard.press("Escape");
  await jonas.goesToTheEnd();
  // It is changed as words are.
  const own = lena.page.getByRole("article").filter({ hasText: "the new roof" }).first();
  await own.hover();
  await own.getByRole("button", { name: "More" }).click();
  await lena.page.getByRole("menuitem", { name: "Edit" }).click();
  await lena.say("the old roof");
  await jonas.page.getByRole("article").filter({ hasText: "the old roof" }).getByRole("img", { name: "roof.png" }).waitFor();
});

test("of several pictures each has words of its own, and what is pasted waits as well", async () => {
  const { page } = lena;
  await choose([await picture("east.png"), await picture("west.png")]);
  await tray().getByRole("textbox", { name: "Caption for west.png" }).fill("towards evening");
  await page.keyboard.press("Enter");
  const album = jonas.page.getByRole("article").filter({ has: jonas.page.getByRole("button", { name: "Picture: west.png" }) });
  await album.getByRole("listitem").filter({ hasText: "towards evening" }).waitFor();
  await assertAccessible(jonas.page, "pictures with words");
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(["inside"], "pasted.pdf", { type: "application/pdf" }));
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await tray().getByText("pasted.pdf").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await jonas.page.getByRole("article").filter({ hasText: "pasted.pdf" }).waitFor();
});

test("of pictures that stand together each is answered, reacted to and removed by itself", async () => {
  const { page } = jonas;
  const tile = (name, of = page) => of.getByRole("listitem").filter({ has: of.getByRole("button", { name: `Picture: ${name}`, exact: true }) });
  const choose = async (name, what, of = page) => {
    await tile(name, of).getByRole("button", { name: `Picture: ${name}`, exact: true }).focus();
    await of.keyboard.press("Tab");
    await of.keyboard.press("Enter");
    await of.getByRole("menuitem", { name: what }).click();
  };
  await lena.attachAll([await picture("one.png"), await picture("two.png"), await picture("three.png"), await picture("four.png")]);
  await tile("four.png").waitFor();
  await tile("two.png").hover();
  await assertAccessible(page, "what can be done with one of several pictures");
  await choose("two.png", "Reply");
  await jonas.say("the second is the best");
  const answer = lena.page.getByRole("article").filter({ hasText: "the second is the best" });
  await answer.getByRole("button", { name: "lena" }).or(answer.getByText("You: Picture")).first().waitFor();
  await choose("four.png", "React");
  await page.getByRole("toolbar", { name: "React" }).getByRole("button", { name: "🎉" }).click();
  const apart = lena.page.getByRole("article").filter({ has: lena.page.getByRole("button", { name: "🎉 1: jonas" }) });
  await apart.getByRole("button", { name: "Picture: four.png" }).waitFor();
  await choose("one.png", "Remove", lena.page);
  await lena.page.getByRole("button", { name: "Do it now" }).click();
  await page.getByRole("button", { name: "Picture: one.png", exact: true }).waitFor({ state: "detached" });
  await tile("three.png").waitFor();
  await jonas.goesToTheEnd();
});

test("words of a file in clear are as the specification has them", async () => {
  await lena.choose("Elsewhere");
  await lena.attachAll(pdf("plan.pdf"), "the *plan*");
  await lena.stored("plan.pdf").getByText("the plan").waitFor();
  const [sent] = server.proxy.requests.filter(({ path }) => path.includes("/send/m.room.message/")).slice(-1);
  const { msgtype, body, filename, format } = JSON.parse(sent.body);
  assert.deepEqual({ msgtype, body, filename, format }, {
    msgtype: "m.file", body: "the *plan*", filename: "plan.pdf", format: "org.matrix.custom.html",
  });
});

/** Holds as many uploads back as come next. */
function holdUploads(count) {
  const all = Array.from({ length: count }, () => server.proxy.hold(({ path }) => path.endsWith("/media/v3/upload")));
  return { reached: Promise.all(all.map(({ reached }) => reached)), release: () => all.forEach(({ release }) => release()) };
}

/** How many files are kept in somebody's browser until they have gone. */
const kept = (person, count) => person.page.waitForFunction(async ([name, count]) => {
  const { result: database } = await new Promise((resolve) => (indexedDB.open(name).onsuccess = ({ target }) => resolve(target)));
  const all = database.transaction("files").objectStore("files").count();
  await new Promise((resolve) => (all.onsuccess = resolve));
  database.close();
  return all.result === count;
}, [`sealpost data ${person.id}`, count]);

test("files that were on their way when the tab crashed go on when the page is opened again, once each", async () => {
  const bytes = Buffer.alloc(2_500_000, "what the cellar holds ");
  await lena.choose("jonas");
  const before = holdUploads(2);
  await lena.attachAll({ name: "cellar.pdf", mimeType: "application/pdf", buffer: bytes }, "before the crash");
  await lena.attachAll([await picture("north.png"), await picture("south.png")]);
  await before.reached;
  await kept(lena, 3);
  const after = holdUploads(2);
  await lena.crash();
  before.release();
  await after.reached;
  await lena.page.getByRole("progressbar", { name: "cellar.pdf" }).waitFor();
  await lena.page.getByRole("progressbar", { name: "2 pictures" }).waitFor();
  await assertAccessible(lena.page, "files that go on");
  after.release();
  const row = jonas.page.getByRole("article").filter({ hasText: "before the crash" });
  assert.ok((await jonas.download("cellar.pdf")).equals(bytes));
  for (const name of ["north.png", "south.png"]) await jonas.page.getByRole("button", { name: `Picture: ${name}`, exact: true }).waitFor();
  await kept(lena, 0);
  await lena.sends("all of it there?");
  await jonas.reads("all of it there?");
  await comes(() => row.count(), 1);
  assert.equal(await jonas.page.getByText("did not arrive").count(), 0);
});

test("what is given up after a crash does not go, then or later", async () => {
  const before = holdUploads(1);
  await lena.attachAll(pdf("attic.pdf"));
  await before.reached;
  await kept(lena, 1);
  const after = holdUploads(1);
  await lena.crash();
  await after.reached;
  const way = lena.page.getByRole("listitem").filter({ hasText: "attic.pdf" });
  await way.getByRole("button", { name: "Cancel" }).click();
  await way.waitFor({ state: "detached" });
  before.release();
  after.release();
  await kept(lena, 0);
  await lena.page.reload();
  await lena.sends("no attic");
  await jonas.reads("no attic");
  assert.equal(await jonas.page.getByRole("article").filter({ hasText: "attic.pdf" }).count(), 0);
  assert.equal(await way.count(), 0);
});

test("a file for which there is no room is sent all the same, and that is said", async () => {
  const hold = holdUploads(1);
  await lena.page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      if (this.name === "pieces") throw new DOMException("full", "QuotaExceededError");
      return put.apply(this, args);
    };
  });
  await lena.attachAll(pdf("full.pdf"));
  await lena.page.getByText("There is no room to keep it here").waitFor();
  await assertAccessible(lena.page, "a file that is not kept");
  hold.release();
  await jonas.page.getByRole("article").filter({ hasText: "full.pdf" }).waitFor();
});
