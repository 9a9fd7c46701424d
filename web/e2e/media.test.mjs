// Pictures large, voices heard, files fetched with their progress: all of it sealed.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes, fits } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("media");
  // So that a file is soon too large.
  server.proxy.tamper(({ path }) => (path.endsWith("/media/config") ? { "m.upload.size": 300_000 } : undefined));
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "pictures follow");
});

after(() => endWith(server));

/** Pictures of some size, as files. */
async function pictures(names) {
  const encoded = await lena.page.evaluate((count) => Array.from({ length: count }, () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1600, height: 1200 });
    const context = canvas.getContext("2d");
    for (let at = 0; at < 30_000; at += 1) {
      context.fillStyle = `hsl(${at % 360} 60% ${30 + Math.random() * 40}%)`;
      context.fillRect((at % 200) * 8, Math.floor(at / 200) * 8, 8, 8);
    }
    return canvas.toDataURL("image/png").split(",")[1];
  }), names.length);
  return names.map((name, at) => ({ name, mimeType: "image/png", buffer: Buffer.from(encoded[at], "base64") }));
}

const asked = (part) => server.proxy.requests.filter(({ path }) => path.includes(part)).length;

test("pictures that are sent at once stand together, small; the large one comes when it is opened", async () => {
  await lena.attachAll(await pictures(["roof.png", "wall.png", "gate.png"]));
  const album = jonas.page.getByRole("article").filter({ has: jonas.page.getByRole("button", { name: "Picture: gate.png" }) });
  await album.getByRole("button", { name: "Picture: roof.png" }).waitFor();
  await jonas.page.waitForFunction(() => document.querySelectorAll("article li img").length === 3);
  // A small one and a large one of each went up; a small one of each came down, on one side.
  assert.equal(asked("/media/v3/upload"), 6);
  assert.equal(asked("/media/download/"), 3);
  await assertAccessible(jonas.page, "an album");
  await album.getByRole("button", { name: "Picture: wall.png", exact: true }).click();
  const box = jonas.page.getByRole("dialog", { name: "Picture" });
  await box.getByRole("img", { name: "wall.png" }).waitFor();
  assert.equal(asked("/media/download/"), 4);
  await jonas.page.keyboard.press("ArrowLeft");
  await box.getByRole("img", { name: "roof.png" }).waitFor();
  await jonas.page.keyboard.press("Escape");
});

test("a file that is too large for the server is told so at once, and does not leave", async () => {
  const before = asked("/media/v3/upload");
  await lena.attach("attic.pdf", Buffer.alloc(400_000, 7));
  await lena.page.getByRole("alert").getByText("attic.pdf has 400 KB; this server takes 300 KB at most.").waitFor();
  await assertAccessible(lena.page, "a file that is too large");
  await lena.page.getByRole("button", { name: "Cancel" }).click();
  assert.equal(asked("/media/v3/upload"), before);
});

test("a file on its way shows how many bytes have gone, and is stopped", async () => {
  const hold = server.proxy.hold(({ path }) => path.endsWith("/media/v3/upload"));
  await lena.attach("cellar.pdf", Buffer.alloc(200_000, 7));
  await hold.reached;
  const bar = lena.page.getByRole("progressbar", { name: "cellar.pdf" });
  await lena.page.waitForFunction((node) => node.value === 200_000, await bar.elementHandle());
  await lena.page.getByText("Sealing and sending · 200 KB of 200 KB").waitFor();
  await assertAccessible(lena.page, "a file on its way");
  await lena.page.getByRole("button", { name: "Cancel" }).click();
  await bar.waitFor({ state: "detached" });
  hold.release();
  await lena.sends("no cellar");
  assert.equal(await lena.page.getByRole("article").filter({ hasText: "cellar.pdf" }).count(), 0);
});

test("pictures are looked at large, one after the other, and closed again", async () => {
  const encoded = await lena.page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 400, height: 300 });
    const context = canvas.getContext("2d");
    context.fillStyle = "teal";
    context.fillRect(40, 40, 200, 150);
    return canvas.toDataURL("image/png").split(",")[1];
  });
  for (const name of ["shed.png", "gutter.png"]) {
    const path = join(server.folder, "..", name);
    writeFileSync(path, Buffer.from(encoded, "base64"));
    await lena.attachAll(path);
    await jonas.page.getByRole("img", { name }).waitFor();
  }
  const { page } = jonas;
  await page.getByRole("button", { name: "Picture: shed.png" }).click();
  const box = page.getByRole("dialog", { name: "Picture" });
  await box.getByRole("img", { name: "shed.png" }).waitFor();
  await assertAccessible(page, "a picture, large");
  await box.getByRole("button", { name: "Larger" }).click();
  await page.keyboard.press("ArrowRight");
  await box.getByRole("img", { name: "gutter.png" }).waitFor();
  await page.setViewportSize({ width: 360, height: 720 });
  await fits(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.keyboard.press("Escape");
  await box.waitFor({ state: "detached" });
});

test("a voice message is recorded, and heard on the other side", async () => {
  await lena.page.getByRole("button", { name: "Add", exact: true }).click();
  await lena.page.getByRole("menuitem", { name: "Voice message" }).click();
  const recorder = lena.page.getByRole("group", { name: "Voice message" });
  await recorder.getByText("0:01").waitFor();
  await assertAccessible(lena.page, "recording");
  await recorder.getByRole("button", { name: "Send" }).click();
  const message = jonas.page.getByRole("article").filter({ hasText: "Voice message" });
  await message.waitFor();
  await assertAccessible(jonas.page, "a voice message");
  await message.getByRole("button", { name: "Play" }).click();
  await jonas.page.waitForFunction(() => document.querySelector("audio")?.currentTime > 0);
  await message.getByRole("button", { name: "Pause" }).click();
  const slider = message.getByRole("slider", { name: "Place in the voice message" });
  await slider.focus();
  await jonas.page.keyboard.press("End");
  const length = await slider.getAttribute("aria-valuemax");
  await comes(() => slider.getAttribute("aria-valuenow"), length);
  const { x, y, width, height } = await slider.boundingBox();
  await jonas.page.mouse.click(x + width / 2, y + height / 2);
  await jonas.page.waitForFunction((length) => {
    const { currentTime } = document.querySelector("audio");
    return currentTime > 0.1 && currentTime < length;
  }, Number(length));
  await message.getByRole("button", { name: "Play" }).waitFor();
});

test("a voice message in a thread is heard there and stands not in the room", async () => {
  const { page } = lena;
  await lena.sends("sing it to me");
  await jonas.reads("sing it to me");
  await lena.message("sing it to me").hover();
  await lena.message("sing it to me").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Reply in a thread" }).click();
  const panel = page.getByRole("complementary", { name: "Thread" });
  const inRoom = () => jonas.page.getByRole("main").getByRole("slider", { name: "Place in the voice message" }).count();
  const before = await inRoom();
  await panel.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menuitem", { name: "Voice message" }).click();
  const recorder = panel.getByRole("group", { name: "Voice message" });
  await recorder.getByText("0:01").waitFor();
  await assertAccessible(page, "recording in a thread");
  await recorder.getByRole("button", { name: "Send" }).click();
  await jonas.page.getByRole("button", { name: "1 reply" }).click();
  const beside = jonas.page.getByRole("complementary", { name: "Thread" });
  const message = beside.getByRole("article").filter({ hasText: "Voice message" });
  await message.getByRole("button", { name: "Play" }).click();
  await jonas.page.waitForFunction(() => document.querySelector("aside audio")?.currentTime > 0);
  await message.getByRole("button", { name: "Pause" }).click();
  await assertAccessible(jonas.page, "a voice message in a thread");
  assert.equal(await inRoom(), before);
  for (const one of [panel, beside]) await one.getByRole("button", { name: "Close" }).click();
});

test("while the browser asks for the microphone there is nothing to send, and the way out leaves it off", async () => {
  const { page } = lena;
  await page.evaluate(() => {
    const { mediaDevices } = navigator;
    const ask = mediaDevices.getUserMedia.bind(mediaDevices);
    window.allowed = new Promise((resolve) => (window.allow = resolve));
    mediaDevices.getUserMedia = async (what) => {
      await window.allowed;
      return (window.stream = await ask(what));
    };
  });
  const messages = await page.getByRole("article").filter({ hasText: "Voice message" }).count();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menuitem", { name: "Voice message" }).click();
  const recorder = page.getByRole("group", { name: "Voice message" });
  await recorder.getByText("Waiting for the microphone").waitFor();
  await comes(() => recorder.getByRole("button", { name: "Send" }).isDisabled(), true);
  await assertAccessible(page, "asking for the microphone");
  await recorder.getByRole("button", { name: "Cancel" }).click();
  await page.evaluate(() => window.allow());
  await page.waitForFunction(() => window.stream?.getTracks().every(({ readyState }) => readyState === "ended"));
  await lena.sends("no voice then");
  await comes(() => page.getByRole("article").filter({ hasText: "Voice message" }).count(), messages);
});

test("a file that is fetched can be stopped, and fetched again", async () => {
  await lena.attach("plan.pdf", Buffer.alloc(200_000, 7));
  const message = jonas.page.getByRole("article").filter({ hasText: "plan.pdf" });
  await message.waitFor();
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await jonas.context.route("**/media/download/**", (route) => held.then(() => route.fallback()));
  await message.getByRole("button", { name: "Download" }).click();
  await message.getByRole("button", { name: "Cancel" }).click();
  letGo();
  const [download] = await Promise.all([
    jonas.page.waitForEvent("download"),
    message.getByRole("button", { name: "Download" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "plan.pdf");
});

test("what a room holds stands by kind and month, and opens from there", async () => {
  await jonas.chooseAbout("Media");
  const panel = jonas.page.getByRole("complementary", { name: "Media" });
  await panel.getByRole("button", { name: /^gate.png, lena/ }).waitFor();
  await comes(() => panel.getByRole("button", { name: /\.png, lena/ }).count(), 5);
  await assertAccessible(jonas.page, "pictures of a room");
  await panel.getByRole("button", { name: /^wall.png/ }).click();
  const box = jonas.page.getByRole("dialog", { name: "Picture" });
  await box.getByRole("img", { name: "wall.png" }).waitFor();
  await box.getByRole("button", { name: "Show in the conversation" }).click();
  await jonas.page.waitForFunction(() => document.activeElement?.querySelector("[aria-label='Picture: wall.png']"));
  await panel.getByRole("tab", { name: "Files" }).click();
  await panel.getByText("plan.pdf").waitFor();
  await panel.getByRole("tab", { name: "Voice" }).click();
  await panel.getByRole("slider").nth(1).waitFor();
  await assertAccessible(jonas.page, "what was said aloud in a room");
  await jonas.page.setViewportSize({ width: 360, height: 720 });
  await fits(jonas.page);
  await jonas.page.setViewportSize({ width: 1280, height: 800 });
  await panel.getByRole("button", { name: "Close" }).click();
});
