// Comparing by camera: the code on the other's screen is believed, another one is not.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { pointCamera, shownCode } from "./support/camera.mjs";
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const folder = mkdtempSync(join(tmpdir(), "camera-"));
const camera = join(folder, "seen.y4m");
let server, lena, jonas, mara;

before(async () => {
  pointCamera(camera);
  await openBrowser({ camera });
  server = await Server.alone("scanning");
  [lena, jonas, mara] = await Promise.all(["lena", "jonas", "mara"].map((name) => Person.register(server, name)));
  await lena.meets(jonas, "Is it you?");
  // What of cameras the page was given.
  await lena.page.evaluate(() => {
    const devices = navigator.mediaDevices;
    const given = devices.getUserMedia.bind(devices);
    globalThis.given = [];
    devices.getUserMedia = async (options) => {
      if (globalThis.refusal) throw new DOMException("no", globalThis.refusal);
      const stream = await given(options);
      globalThis.given.push(...stream.getTracks());
      return stream;
    };
  });
});

after(async () => {
  await closeBrowser();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const tracks = () => lena.page.evaluate(() => globalThis.given.map(({ readyState }) => readyState));

async function openComparison({ page }) {
  if (!(await page.getByRole("complementary").isVisible())) await page.getByRole("button", { name: "Who can read this" }).click();
  await page.getByRole("complementary").getByRole("button", { name: "Not compared" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("svg.code").waitFor();
  return dialog;
}

async function openScan(person) {
  const dialog = await openComparison(person);
  await dialog.getByRole("button", { name: "Scan their code" }).click();
  return person.page.getByRole("dialog", { name: /^Scan / });
}

async function close({ page }) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Back to the comparison, and from there. */
async function closeScan(person) {
  await person.page.keyboard.press("Escape");
  await person.page.getByRole("dialog", { name: /^Is it / }).waitFor();
  await close(person);
}

test("where a camera is refused or not there, that is said, and it can be tried again", async () => {
  await lena.page.evaluate(() => (globalThis.refusal = "NotAllowedError"));
  const dialog = await openScan(lena);
  await dialog.getByText("The browser does not let this page use the camera.", { exact: false }).waitFor();
  await assertAccessible(lena.page, "no camera");
  await lena.page.evaluate(() => (globalThis.refusal = "NotFoundError"));
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByText("No camera was found.").waitFor();
  await lena.page.evaluate(() => (globalThis.refusal = undefined));
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByText("Looking for a code…").waitFor();
  await assertAccessible(lena.page, "a camera that looks");
  await closeScan(lena);
});

test("the camera is off when nobody looks any more", async () => {
  const dialog = await openScan(lena);
  await dialog.getByText("Looking for a code…").waitFor();
  assert.equal((await tracks()).at(-1), "live");
  await dialog.getByRole("button", { name: "Back" }).click();
  await lena.page.getByRole("dialog", { name: /^Is it / }).waitFor();
  assert.deepEqual([...new Set(await tracks())], ["ended"]);
  await close(lena);
});

test("the number of other people is told, and nobody is verified by it", async () => {
  await mara.meets(jonas, "And me?");
  const comparison = await openComparison(mara);
  pointCamera(camera, await shownCode(comparison));
  await close(mara);
  const dialog = await openScan(lena);
  await dialog.getByText("That is another number than the one for you and jonas").waitFor();
  await assertAccessible(lena.page, "another number");
  assert.deepEqual([...new Set(await tracks())], ["ended"]);
  pointCamera(camera);
  await dialog.getByRole("button", { name: "Scan again" }).click();
  await dialog.getByText("Looking for a code…").waitFor();
  await closeScan(lena);
  await lena.page.getByRole("complementary").getByRole("button", { name: "Not compared" }).waitFor();
});

test("a picture of something else has no code", async () => {
  const dialog = await openScan(lena);
  const picture = { name: "seen.png", mimeType: "image/png", buffer: await lena.page.screenshot() };
  await dialog.locator("input[type=file]").setInputFiles(picture);
  await dialog.getByText("No code was found in that picture.").waitFor();
  await dialog.locator("input[type=file]").setInputFiles({ ...picture, buffer: Buffer.from("no picture at all") });
  await dialog.getByText("No code was found in that picture.").waitFor();
  await closeScan(lena);
});

test("two verify each other: one by camera, the other by a picture", async () => {
  await jonas.choose("lena");
  const shown = await openComparison(jonas);
  pointCamera(camera, await shownCode(shown));
  const dialog = await openScan(lena);
  await dialog.getByText("It matches: you are talking to jonas.").waitFor();
  await assertAccessible(lena.page, "a number that matches");
  assert.deepEqual([...new Set(await tracks())], ["ended"]);
  await dialog.getByRole("button", { name: "Done" }).click();
  await lena.page.getByRole("complementary").getByText("Verified").nth(1).waitFor();

  await lena.page.getByRole("complementary").getByRole("button", { name: "More: jonas" }).click();
  await lena.page.getByRole("menuitem", { name: "Compare" }).click();
  const hers = lena.page.getByRole("dialog");
  await hers.locator("svg.code").waitFor();
  const buffer = await lena.page.screenshot();
  await shown.getByRole("button", { name: "Scan their code" }).click();
  const his = jonas.page.getByRole("dialog", { name: "Scan lena’s code" });
  await his.locator("input[type=file]").setInputFiles({ name: "screen.png", mimeType: "image/png", buffer });
  await his.getByText("It matches: you are talking to lena.").waitFor();
  await his.getByRole("button", { name: "Done" }).click();
  await jonas.page.getByRole("complementary").getByText("Verified").nth(1).waitFor();
  for (const person of [lena, jonas]) {
    person.assertOwnOrigin();
    assert.deepEqual(person.crashes, []);
  }
});
