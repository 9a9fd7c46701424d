// On a phone, without a finger or a mouse.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { comes, hasFocus } from "./support/comes.mjs";
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
    await comes(() => made.evaluate((node) => node.matches(":focus-visible")), true);
    await keys("Enter");
    await page.getByText("You changed the topic to “Roof”.").waitFor();
    await keys("Enter");
    await page.getByText("You changed the topic to “Roof”.").waitFor({ state: "detached" });
    await reach(page.getByRole("main").getByRole("button", { name: "More", exact: true }).first(), "Shift+Tab");
    const opener = page.getByRole("main").getByRole("button", { name: "More", exact: true }).first();
    await comes(() => opener.getAttribute("aria-haspopup"), "menu");
    await comes(() => opener.getAttribute("aria-expanded"), "false");
    await keys("Enter");
    await comes(() => opener.getAttribute("aria-expanded"), "true");
    await comes(() => page.getByRole("menuitemcheckbox", { name: "Favourite" }).getAttribute("aria-checked"), "false");
    await keys("Tab");
    await page.getByRole("menu").waitFor({ state: "detached" });
    await reach(opener, "Shift+Tab");
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
    const info = page.getByRole("button", { name: "Who can read this" });
    await hasFocus(info);
    await keys("Enter");
    await panel.waitFor();
    await keys("Escape");
    await panel.waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Who can read this");
    await reach(page.getByRole("textbox", { name: "Message Garden house" }));
    await keys("Control+/");
    await page.getByRole("dialog", { name: "Keyboard" }).getByText("This list").waitFor();
    await keys("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // What is typed goes where it is meant to go, from the first letter on.
    await keys("Control+k");
    await page.getByRole("combobox").waitFor();
    await page.keyboard.type("gar");
    await comes(() => page.getByRole("combobox").inputValue(), "gar");
    await keys("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  } finally {
    await server.stop();
  }
});

test("messages one after the other are heard with who wrote each, and a dialog takes what is typed, and is not closed by a selection", async () => {
  const server = await Server.alone("heard");
  try {
    const lena = await Person.register(server, "lena");
    const { page } = lena;
    await lena.startRoom("Garden house");
    await lena.sends("The roof is done");
    await lena.sends("The door too");
    const heard = await lena.message("The door too").evaluate((node) => node.textContent);
    assert.match(heard, /You.*\d\d:\d\d.*The door too/s);
    await page.getByRole("button", { name: "New room or chat" }).first().click();
    await page.getByRole("searchbox").waitFor();
    await page.keyboard.type("jonas");
    await comes(() => page.getByRole("searchbox").inputValue(), "jonas");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("Control+k");
    const field = page.getByRole("combobox");
    await field.fill("garden");
    const box = await field.boundingBox();
    await page.mouse.move(box.x + 40, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(5, 5);
    await page.mouse.up();
    await comes(() => field.inputValue(), "garden");
    await page.mouse.click(5, 5);
    await page.getByRole("dialog").waitFor({ state: "detached" });
  } finally {
    await server.stop();
  }
});
