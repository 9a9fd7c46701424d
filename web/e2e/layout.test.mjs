// The list of rooms is as wide as one likes; on a phone, a finger from the edge leads back.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("layout");
  lena = await Person.register(server, "lena");
  await lena.startRoom("Garden house");
});

after(async () => {
  await closeBrowser();
  await server?.stop();
});

const list = (page) => page.getByRole("navigation", { name: "Rooms" });
const width = async (page) => (await list(page).boundingBox()).width;

test("the list is made wider with a pointer and by keys, no further than is good, and stays so", async () => {
  const { page } = lena;
  const edge = page.getByRole("separator", { name: "Width of the list of rooms" });
  const first = await width(page);
  const { x, y, width: thick } = await edge.boundingBox();
  await page.mouse.move(x + thick / 2, y + 200);
  await page.mouse.down();
  await page.mouse.move(x + thick / 2 + 60, y + 220, { steps: 4 });
  await page.mouse.up();
  assert.equal(Math.round(await width(page) - first), 60);
  await edge.focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(Math.round(await width(page) - first), 76);
  assert.equal(Number(await edge.getAttribute("aria-valuenow")), Math.round(first + 76 + 1));
  await assertAccessible(page, "a wider list");
  await page.reload();
  await list(page).getByRole("button", { name: "Garden house" }).waitFor();
  assert.equal(Math.round(await width(page) - first), 76);
  for (const [key, bound] of [["Home", "aria-valuemin"], ["End", "aria-valuemax"]]) {
    const isThere = async () => (await edge.getAttribute("aria-valuenow")) === (await edge.getAttribute(bound));
    // What has just been loaded may take the focus.
    for (let presses = 0; !(await isThere()); presses += 1) {
      assert.ok(presses < 20, key);
      await edge.press(key);
      await page.waitForTimeout(50);
    }
  }
  // In a smaller window there is room for what was said.
  await page.setViewportSize({ width: 700, height: 720 });
  await comes(async () => (await width(page)) <= 315, true);
  await page.setViewportSize({ width: 1280, height: 720 });
  await edge.dblclick();
  await comes(() => width(page), first);
});

/** A finger that goes from one place to another. */
async function swipe(page, from, to) {
  const session = await page.context().newCDPSession(page);
  const touch = (type, at) => session.send("Input.dispatchTouchEvent", { type, touchPoints: at ? [{ x: at[0], y: at[1] }] : [] });
  await touch("touchStart", from);
  for (let step = 1; step <= 8; step += 1) {
    await touch("touchMove", [0, 1].map((axis) => from[axis] + ((to[axis] - from[axis]) * step) / 8));
  }
  await touch("touchEnd");
  await session.detach();
}

test("on a phone a finger from the left edge leads back, one that means something else does not", async () => {
  const phone = await lena.secondDevice({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 720 } });
  const { page } = phone;
  await list(page).getByRole("button", { name: "Garden house" }).tap();
  const head = page.getByRole("heading", { name: "Garden house" });
  await head.waitFor();
  const row = list(page).getByRole("button", { name: "Garden house" });
  // Not from the middle: there browsers have a way back of their own.
  for (const [from, to] of [[[10, 300], [60, 300]], [[10, 300], [40, 500]]]) {
    await swipe(page, from, to);
    await comes(() => head.isVisible(), true);
    assert.ok(!(await row.isVisible()));
  }
  await comes(() => page.locator(".view").evaluate((node) => node.style.transform), "");
  await page.getByRole("button", { name: "Who can read this" }).tap();
  const panel = page.getByRole("complementary");
  await panel.waitFor();
  await swipe(page, [10, 300], [220, 310]);
  await panel.waitFor({ state: "detached" });
  await head.waitFor();
  await swipe(page, [10, 300], [220, 310]);
  await row.waitFor();
  await page.getByRole("button", { name: "Settings" }).tap();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await swipe(page, [10, 400], [220, 410]);
  await row.waitFor();
  await phone.close();
});

test("a wide block of code that was scrolled sideways is scrolled back", async () => {
  await lena.say(`\`\`\`\n${"wide ".repeat(60)}\n\`\`\``);
  await lena.page.locator("article[data-id^='$'] pre").waitFor();
  const phone = await lena.secondDevice({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 720 } });
  // Another device reads what is said from now on.
  const { page } = phone;
  await list(page).getByRole("button", { name: "Garden house" }).tap();
  await page.getByRole("heading", { name: "Garden house" }).waitFor();
  // In the place of a message that only the first device can read.
  await page.getByRole("log").first().evaluate((node) => {
    const pre = document.createElement("pre");
    pre.textContent = "wide ".repeat(200);
    pre.style.cssText = "overflow-x: auto; position: absolute; inset: 100px 0 auto 0; z-index: 5";
    node.closest("main").append(pre);
    pre.scrollLeft = 150;
  });
  const pre = page.locator("main > pre");
  const { y } = await pre.boundingBox();
  await swipe(page, [10, y + 10], [120, y + 12]);
  await comes(() => page.getByRole("heading", { name: "Garden house" }).isVisible(), true);
  await page.waitForFunction(() => document.querySelector("main > pre").scrollLeft < 150);
  await phone.close();
});
