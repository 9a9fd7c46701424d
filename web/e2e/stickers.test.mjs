// Stickers: a picture of one's own, and those of a room, sent in clear and sealed.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes, fits } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("stickers");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "stickers follow");
});

after(() => endWith(server));

async function picture(width, height) {
  const encoded = await lena.page.evaluate(([width, height]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = "teal";
    context.fillRect(0, 0, width / 2, height);
    return canvas.toDataURL("image/png").split(",")[1];
  }, [width, height]);
  return { name: "waving.png", mimeType: "image/png", buffer: Buffer.from(encoded, "base64") };
}

async function openStickers(person) {
  await person.page.getByRole("button", { name: "Add", exact: true }).click();
  await person.page.getByRole("menuitem", { name: "Sticker" }).click();
  return person.page.getByRole("dialog", { name: "Stickers" });
}

const sent = (part) => server.proxy.requests.filter(({ path }) => path.includes(part));
const shown = (person, body) => person.page.getByRole("article").getByRole("img", { name: body });

test("a picture becomes a sticker, and is sent in a sealed room as a sealed copy", async () => {
  const { page } = lena;
  const dialog = await openStickers(lena);
  await dialog.getByText("No stickers yet").waitFor();
  await dialog.getByRole("button", { name: "Add a sticker" }).click();
  await dialog.locator("input[type=file]").setInputFiles(await picture(1200, 800));
  await dialog.getByLabel("What it shows").fill("Waving hello");
  await assertAccessible(page, "a new sticker");
  await page.setViewportSize({ width: 360, height: 720 });
  await fits(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await dialog.getByRole("button", { name: "Add a sticker" }).click();
  const tile = dialog.getByRole("button", { name: "Waving hello" });
  await tile.locator("img").waitFor();
  await assertAccessible(page, "stickers");
  await tile.click();
  await shown(jonas, "Waving hello").waitFor();
  await shown(lena, "Waving hello").waitFor();
  await jonas.page.waitForFunction(() => document.querySelector("img[alt='Waving hello']")?.naturalWidth === 512);
  await assertAccessible(jonas.page, "a sticker");
  assert.equal(sent("/send/m.sticker/").length, 0);
  assert.equal(sent("/media/v3/upload").length, 2);
  await jonas.page.getByRole("navigation", { name: "Rooms" }).getByText("Sticker: Waving hello").waitFor();
});

test("in clear it is sent as it is, as an answer too, and one of the room beside it", async () => {
  await lena.startRoom("Noticeboard", "", { isSealed: false });
  await lena.invite(jonas);
  await jonas.accept("Noticeboard");
  await lena.sends("who comes?");
  const token = await server.logIn(lena);
  const [{ path }] = sent("/send/m.room.message/").slice(-1);
  const roomId = decodeURIComponent(path.split("/rooms/")[1].split("/")[0]);
  const own = await server.call(token, "GET", `/user/${encodeURIComponent(lena.id)}/account_data/im.ponies.user_emotes`);
  const [image] = Object.values(own.images);
  assert.deepEqual([image.usage, image.info.w, image.info.h], [["sticker"], 512, 341]);
  await server.call(token, "PUT", `/rooms/${encodeURIComponent(roomId)}/state/im.ponies.room_emotes/garden`, {
    pack: { display_name: "Garden" }, images: { bee: { url: image.url, body: "A bee" }, smile: { url: image.url, usage: ["emoticon"] } },
  });
  await lena.message("who comes?").hover();
  await lena.message("who comes?").getByRole("button", { name: "Reply" }).click();
  const dialog = await openStickers(lena);
  await dialog.getByRole("heading", { name: "Garden" }).waitFor();
  await comes(() => dialog.getByRole("listitem").count(), 2);
  await dialog.getByRole("button", { name: "A bee" }).click();
  const row = jonas.page.getByRole("article").filter({ has: jonas.page.getByRole("img", { name: "A bee" }) });
  await row.getByText("who comes?").waitFor();
  const [{ body }] = sent("/send/m.sticker/").slice(-1);
  const content = JSON.parse(body);
  assert.deepEqual([content.body, content.url, content.msgtype], ["A bee", image.url, undefined]);
  assert.equal(await lena.page.getByText("Replying to").count(), 0);
});

test("a sticker of one's own is taken out again", async () => {
  const dialog = await openStickers(lena);
  await dialog.getByRole("button", { name: "Take some out" }).click();
  await dialog.getByRole("button", { name: "Take out Waving hello" }).click();
  await dialog.getByRole("button", { name: "Take out Waving hello" }).waitFor({ state: "detached" });
  await dialog.getByRole("button", { name: "A bee" }).waitFor();
  await lena.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});
