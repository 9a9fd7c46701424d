// Other rooms, what is found, what a person chooses for themselves.
import { closeDialog, openAdd } from "./steps.mjs";

/** Other rooms, spaces, what is found. */
export async function elsewhere({ lena, page }, look) {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("gar");
  await look(page, "jump");
  await closeDialog(page);
  await page.getByRole("button", { name: "Search messages" }).click();
  await page.getByRole("dialog").getByLabel("Words that were said").fill("paint");
  await page.getByRole("dialog").getByText(/\d+ messages?/).waitFor();
  await look(page, "search");
  await closeDialog(page);
  for (const [tab, name] of [["New chat", "new-chat"], ["New room", "new-room"], ["New space", "new-space"]]) {
    await openAdd(lena, tab);
    await look(page, name);
    await closeDialog(page);
  }
  await openAdd(lena, "New room");
  await page.getByLabel("Name of the room").fill("Bee keepers");
  await page.getByRole("radio", { name: "Public" }).check();
  await page.getByRole("dialog").getByLabel("Address").fill("bees");
  await look(page, "new-public-room");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("textbox", { name: "Message Bee keepers" }).waitFor();
  await openAdd(lena, "New space");
  await page.getByLabel("Name of the space").fill("Garden club");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("No rooms in here yet").last().waitFor();
  await look(page, "space-empty");
  await page.getByRole("button", { name: "Add rooms" }).click();
  await page.getByRole("checkbox", { name: "Bee keepers" }).check();
  await page.getByRole("checkbox", { name: "Garden house" }).check();
  await look(page, "space-add");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("main").getByText("Bee keepers").waitFor();
  await look(page, "space");
  await page.getByRole("button", { name: "All rooms", exact: true }).click();
  await openAdd(lena, "Directory");
  await page.getByRole("dialog").getByText("Bee keepers").waitFor();
  await look(page, "directory");
  await closeDialog(page);
}

export async function own({ lena, page }, look) {
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await look(page, "keyboard");
  await closeDialog(page);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("main").getByText("This browser").waitFor();
  await look(page, "settings");
  for (const [name, heading] of [["notifications", "Notifications"], ["devices", "Your devices"], ["account", "About"]]) {
    await page.getByRole("heading", { name: heading, exact: true }).evaluate((node) => node.scrollIntoView());
    await look(page, `settings-${name}`);
  }
  const dialog = page.getByRole("dialog");
  for (const [button, name] of [["Save keys to a file", "keys-file"], ["Change password", "password"], ["Close the account", "close-account"]]) {
    await page.getByRole("main").getByRole("button", { name: button }).click();
    await dialog.waitFor();
    await look(page, name);
    await closeDialog(page);
  }
  await page.getByRole("main").getByRole("button", { name: "Log out", exact: true }).last().click();
  await dialog.waitFor();
  await look(page, "log-out");
  await closeDialog(page);
  await page.getByRole("button", { name: "Back" }).click();
  await lena.choose("Garden house");
}
