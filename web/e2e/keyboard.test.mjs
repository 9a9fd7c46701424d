// On a phone, without a finger or a mouse.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const NARROW = { width: 360, height: 740 };

before(openBrowser);
after(closeBrowser);

test("on a phone with a keyboard alone: a room, its history, its people and its settings", async () => {
  const server = await Server.alone("keyboard");
  try {
    const lena = await Person.register(server, "lena", { viewport: NARROW });
    const { page } = lena;
    await lena.startRoom("Garden house", "Roof");
    const keys = async (...all) => {
      for (const key of all) await page.keyboard.press(key);
    };
    /** Goes on until something has the focus. */
    const reach = async (one, key = "Tab") => {
      for (let press = 0; press < 60; press += 1) {
        if (await one.evaluate((node) => node === document.activeElement)) return;
        await page.keyboard.press(key);
      }
      assert.fail(`${one} can't be reached`);
    };
    const made = page.getByRole("button", { name: "You made this room." });
    await reach(made, "Shift+Tab");
    assert.equal(await made.evaluate((node) => node.matches(":focus-visible")), true);
    await keys("Enter");
    await page.getByText("You changed the topic.").waitFor();
    await keys("Enter");
    await page.getByText("You changed the topic.").waitFor({ state: "detached" });
    await reach(page.getByRole("main").getByRole("button", { name: "More", exact: true }).first(), "Shift+Tab");
    await keys("Enter");
    await reach(page.getByRole("menuitem", { name: "Room settings" }), "ArrowDown");
    await keys("Enter");
    const dialog = page.getByRole("dialog", { name: "Room settings" });
    await reach(dialog.getByRole("tab", { name: "Room", exact: true }));
    await keys("ArrowRight", "ArrowRight", "ArrowRight");
    await dialog.getByLabel("New address").waitFor();
    const tab = await dialog.getByRole("tab", { name: "Addresses" }).boundingBox();
    assert.ok(tab.x >= 0 && tab.x + tab.width <= NARROW.width, "the chosen tab is seen");
    await keys("Escape");
    await dialog.waitFor({ state: "detached" });
    await reach(page.getByRole("button", { name: "Who can read this" }), "Shift+Tab");
    await keys("Enter");
    const panel = page.getByRole("complementary");
    await panel.getByText("This browser").waitFor();
    await reach(panel.getByRole("button", { name: "Close" }));
    await keys("Enter");
    await panel.waitFor({ state: "detached" });
    await keys("Control+k");
    await page.getByRole("combobox").fill("gar");
    await keys("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  } finally {
    await server.stop();
  }
});
