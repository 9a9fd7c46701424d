// Writing: names and emoji are completed, commands done, drafts kept; a picture goes without where it was taken.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("composer");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.startRoom("Garden house");
  await lena.invite(jonas);
  await jonas.accept(/Garden house/);
  await lena.page.getByText(/jonas.* came in/).waitFor();
});

after(() => endWith(server));

test("a name is completed, and who is named is told so; an emoji is completed by its short name", async () => {
  const field = lena.field();
  await field.pressSequentially("ask @jo");
  await lena.page.getByRole("option", { name: /jonas/ }).waitFor();
  await assertAccessible(lena.page, "completion");
  await field.press("Tab");
  await field.pressSequentially(":tad");
  await lena.page.getByRole("option", { name: "tada" }).first().waitFor();
  await field.press("Enter");
  await comes(() => field.inputValue(), "ask @jonas 🎉 ");
  await field.press("Enter");
  await jonas.page.getByRole("article").getByRole("link", { name: "jonas" }).waitFor();
});

test("the picker puts an emoji where the caret is", async () => {
  await lena.field().fill("good  day");
  await lena.field().evaluate((node) => node.setSelectionRange(5, 5));
  await lena.page.getByRole("button", { name: "Emoji", exact: true }).click();
  await lena.page.getByRole("dialog", { name: "Emoji" }).getByLabel("Search").fill("sunny");
  await lena.page.getByRole("button", { name: "sun", exact: true }).waitFor();
  await assertAccessible(lena.page, "emoji");
  await lena.page.keyboard.press("Enter");
  await comes(() => lena.field().inputValue(), /^good \p{Emoji}\S* day$/u);
});

test("a draft is there after a reload, and nowhere in clear on the disk of the browser", async () => {
  await lena.field().fill("a draft about the gutters");
  // It is kept when the page is left.
  await lena.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await lena.page.waitForFunction(async () => {
    const name = (await indexedDB.databases()).find(({ name }) => name.startsWith("sealpost data")).name;
    const database = await new Promise((done) => (indexedDB.open(name).onsuccess = ({ target }) => done(target.result)));
    const kept = await new Promise((done) => {
      database.transaction("meta").objectStore("meta").get("drafts").onsuccess = ({ target }) => done(target.result);
    });
    database.close();
    return kept instanceof Uint8Array && !new TextDecoder().decode(kept).includes("gutters");
  });
  await lena.page.reload();
  await lena.field().waitFor();
  await comes(() => lena.field().inputValue(), "a draft about the gutters");
  await lena.field().fill("");
});

test("a command is done, not said; one that is not known is neither", async () => {
  await lena.say("/topic Roof and gutters: https://gutters.example/plan");
  await lena.page.getByText("You changed the topic to “Roof and gutters: https://gutters.example/plan”.").waitFor();
  // It stands in the head, and whole, with its links, beside the room.
  await lena.page.getByRole("banner").or(lena.page.locator("main header")).getByText("Roof and gutters").waitFor();
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  await lena.page.getByRole("region", { name: "What it is about" }).getByRole("link", { name: "https://gutters.example/plan" }).waitFor();
  await assertAccessible(lena.page, "what a room is about");
  await lena.page.getByRole("button", { name: "Close" }).click();
  await lena.say("/dance");
  await lena.page.getByRole("alert").getByText("There is no command /dance").waitFor();
  await assertAccessible(lena.page, "a command that is not known");
});

test("hidden words are shown and hidden again by a button that tells why, and are nowhere else", async () => {
  await lena.say("it was ||who did it|the **butler** of https://a.example/?x=1&y=2||");
  const message = jonas.page.getByRole("article").filter({ hasText: "it was" }).last();
  const button = message.getByRole("button", { name: "Spoiler: who did it", exact: true });
  await button.waitFor();
  const words = message.locator("[data-mx-spoiler]");
  await comes(() => words.evaluate((node) => node.inert), true);
  assert.equal(await message.getByRole("link").count(), 0);
  await assertAccessible(jonas.page, "hidden words");
  const row = jonas.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: /Garden house/ });
  await row.getByText("it was (who did it) [Spoiler]").waitFor();
  await button.focus();
  await jonas.page.keyboard.press("Space");
  await comes(() => words.evaluate((node) => node.inert), false);
  await comes(() => button.getAttribute("aria-expanded"), "true");
  await comes(() => message.getByRole("link").getAttribute("href"), "https://a.example/?x=1&y=2");
  await assertAccessible(jonas.page, "hidden words that are shown");
  await jonas.page.keyboard.press("Enter");
  await comes(() => words.evaluate((node) => node.inert), true);
  await words.click({ force: true });
  await comes(() => words.evaluate((node) => node.inert), false);
  // They are written again by who changes them, and found by nobody.
  await lena.stored("it was").last().waitFor();
  await lena.field().press("ArrowUp");
  await lena.page.getByText("Editing").waitFor();
  await comes(() => lena.field().inputValue(), "it was ||who did it|the **butler** of https://a.example/?x=1&y=2||");
  await lena.field().press("Escape");
  await jonas.chooseAbout("Search messages");
  const dialog = jonas.page.getByRole("dialog");
  await dialog.getByLabel("Words that were said").fill("it was");
  await dialog.getByText("it was (who did it) ▒▒▒").waitFor();
  await dialog.getByLabel("Words that were said").fill("butler");
  await dialog.getByText("Nothing found").waitFor();
  await jonas.page.keyboard.press("Escape");
});

test("the last own message is edited with the arrow up", async () => {
  await lena.sends("gutters come on Tuesday");
  await lena.edits("gutters come on Tuesday", "gutters come on Thursday");
  await jonas.page.getByRole("article").filter({ hasText: "gutters come on Thursday" }).getByText("(edited)").waitFor();
});

test("an edit that was begun goes on where it was after another room and a reload; one that was cancelled is gone", async () => {
  const { page } = lena;
  await lena.stored("gutters come on Thursday").last().waitFor();
  await lena.field().fill("something new");
  await lena.message("gutters come on Thursday").hover();
  await lena.message("gutters come on Thursday").getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: "Edit" }).click();
  await lena.field().fill("gutters come\non Friday");
  await lena.startRoom("Shed");
  await comes(() => lena.field().inputValue(), "");
  const row = page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: /Garden house/ });
  await row.getByText("Draft: gutters come").waitFor();
  await lena.choose("Garden house");
  await page.getByText("Editing").waitFor();
  await comes(() => lena.field().inputValue(), "gutters come\non Friday");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.waitForTimeout(600);
  await page.reload();
  await page.getByText("Editing").waitFor();
  await comes(() => lena.field().inputValue(), "gutters come\non Friday");
  await lena.field().press("Escape");
  await comes(() => lena.field().inputValue(), "something new");
  await lena.choose("Shed");
  await lena.choose("Garden house");
  await comes(() => lena.field().inputValue(), "something new");
  await page.getByText("Editing").waitFor({ state: "detached" });
  await lena.field().fill("");
});

test("what is answered is known after another room, an edit and a reload; one that was cancelled or sent is gone", async () => {
  const { page } = lena;
  const bar = page.getByText("Reply to jonas", { exact: true });
  const gone = async () => {
    await lena.choose("Shed");
    await lena.choose("Garden house");
    await lena.field().waitFor();
    await bar.waitFor({ state: "detached" });
  };
  await jonas.sends("who brings the ladder?");
  await lena.sends("nobody yet");
  await lena.message("who brings the ladder?").hover();
  await lena.message("who brings the ladder?").getByRole("button", { name: "Reply", exact: true }).click();
  await lena.field().fill("I do");
  await bar.waitFor();
  await lena.choose("Shed");
  await lena.field().waitFor();
  await bar.waitFor({ state: "detached" });
  await lena.choose("Garden house");
  await bar.waitFor();
  await lena.field().fill("");
  await lena.field().press("ArrowUp");
  await page.getByText("Editing").waitFor();
  await lena.field().press("Escape");
  await bar.waitFor();
  await lena.field().fill("I do");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.waitForTimeout(600);
  await page.reload();
  await bar.waitFor();
  await comes(() => lena.field().inputValue(), "I do");
  await lena.field().press("Escape");
  await gone();
  await lena.message("who brings the ladder?").hover();
  await lena.message("who brings the ladder?").getByRole("button", { name: "Reply", exact: true }).click();
  await bar.waitFor();
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.waitForTimeout(600);
  await page.reload();
  await bar.waitFor();
  await lena.field().fill("I do");
  await lena.field().press("Enter");
  await jonas.message("I do").getByText("who brings the ladder?").waitFor();
  await gone();
});

test("a picture loses where it was taken before it leaves", async () => {
  await lena.startRoom("Market square", "", { isSealed: false });
  const place = "GPS 52.5200 N 13.4050 E";
  const encoded = await lena.page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
    canvas.getContext("2d").fillRect(0, 0, 20, 30);
    return canvas.toDataURL("image/jpeg").split(",")[1];
  });
  const bytes = Buffer.from(encoded, "base64");
  const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, place.length + 2]), Buffer.from(place)]);
  const path = join(server.folder, "..", "roof.jpg");
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 2), comment, bytes.subarray(2)]));
  await lena.attachAll(path);
  await lena.page.getByRole("article").getByRole("img", { name: "roof.jpg" }).waitFor();
  assert.deepEqual(foundAt([place], server), []);
  assert.ok(server.proxy.traffic.includes(bytes.subarray(-60)));
});

test("a film loses where it was taken; where that can't be taken out, somebody is asked", async () => {
  const place = "+52.5200+013.4050/";
  const box = (type, ...body) => {
    const all = Buffer.concat(body);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(all.length + 8);
    head.write(type, 4, "latin1");
    return Buffer.concat([head, all]);
  };
  const film = Buffer.concat([
    box("ftyp", Buffer.from("mp42\0\0\0\0")),
    box("moov", box("udta", box("\xa9xyz", Buffer.from(place)))),
    box("mdat", Buffer.from("what is to be seen")),
  ]);
  await lena.attachAll({ name: "yard.mp4", mimeType: "video/mp4", buffer: film });
  await lena.page.getByRole("button", { name: "Play the video: yard.mp4" }).waitFor();
  assert.deepEqual(foundAt([place], server), []);
  assert.ok(server.proxy.traffic.includes("what is to be seen"));
  await lena.attachAll({ name: "pond.avi", mimeType: "video/x-msvideo", buffer: Buffer.from(`RIFF....AVI ${place}`) });
  await lena.page.getByRole("alert").getByText("pond.avi may say where it was taken").waitFor();
  await assertAccessible(lena.page, "a question about a place");
  await lena.page.getByRole("button", { name: "Don’t send it" }).click();
  await lena.page.getByText("pond.avi may say where it was taken").waitFor({ state: "detached" });
  assert.deepEqual(foundAt([place], server), []);
});

test("a link in clear shows what the homeserver tells of it; one that does not tell is asked once, of sealed words none", async () => {
  const about = (name) => server.proxy.requests.filter(({ path }) => path.endsWith(name)).length;
  await lena.say("see https://garden.example/roof");
  await lena.page.getByRole("link", { name: "https://garden.example/roof" }).waitFor();
  await lena.say("and https://garden.example/wall");
  await lena.page.getByRole("link", { name: "https://garden.example/wall" }).waitFor();
  await lena.sends("both are there");
  assert.equal(about("/preview_url"), 1);
  await lena.page.route("**/media/preview_url?**", (route) =>
    route.fulfill({ json: { "og:title": "How to mend a roof", "og:site_name": "Garden", "og:description": "In ten steps" } }));
  await lena.page.reload();
  await lena.page.getByRole("link", { name: "How to mend a roof" }).first().waitFor();
  // A picture comes from the homeserver, or not at all.
  const image = { of: "mxc://garden.example/roof" };
  await lena.page.route("**/media/preview_url?**", (route) =>
    route.fulfill({ json: { "og:title": "How to mend a roof", "og:image": image.of } }));
  const pixel = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  await lena.page.route("**/media/thumbnail/garden.example/roof?**", (route) => route.fulfill({ contentType: "image/png", body: pixel }));
  await lena.page.reload();
  await lena.page.waitForFunction(() => document.querySelector("a.preview img")?.naturalWidth === 1);
  image.of = "https://garden.example/roof.png";
  await lena.page.reload();
  await lena.page.getByRole("link", { name: "How to mend a roof" }).first().waitFor();
  assert.equal(await lena.page.locator("a.preview img").count(), 0);
  lena.assertOwnOrigin();
  await assertAccessible(lena.page, "what is behind a link");
  let told = 0;
  await lena.page.route("**/media/preview_url?**", (route) => {
    told += 1;
    return route.fulfill({ json: {} });
  });
  await lena.choose("Garden house");
  await lena.sends("see https://garden.example/cellar");
  await lena.sends("that is secret");
  assert.equal(told, 0);
});

test("of others' messages pictures stay as their words, addresses become links, and nothing is fetched for either", async () => {
  const token = await server.logIn(lena);
  const { room_id: roomId } = await server.call(token, "POST", "/createRoom", { name: "Field", preset: "private_chat" });
  await lena.choose("Field");
  const said = async (at, formatted_body) => {
    const content = { msgtype: "m.text", body: `body ${at}`, format: "org.matrix.custom.html", formatted_body };
    await server.call(token, "PUT", `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/p${at}`, content);
  };
  await said(1, '<img data-mx-emoticon src="mxc://a/b" alt=":wave:"><img src="https://x.example/y" title=":smile:" onerror="1">');
  await lena.page.getByRole("article").getByText(":wave::smile:").waitFor();
  await said(2, '<img src="mxc://a/b">');
  await lena.page.getByRole("article").getByText("body 2").waitFor();
  await said(3, '<b>at https://a.example/x</b> or <code>https://b.example</code> with <i title="t">#garden:a.example</i>');
  const last = lena.page.getByRole("article").filter({ hasText: "a.example/x" });
  await last.waitFor();
  const links = await last.locator(".body a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.deepEqual(links, ["https://a.example/x", "https://matrix.to/#/%23garden%3Aa.example"]);
  assert.equal(await last.locator(".body").locator("img, [title], [alt]").count(), 0);
  lena.assertOwnOrigin();
});
