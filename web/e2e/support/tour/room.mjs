// What is to be seen of a room besides what is said in it.
import { closeDialog, openAdd } from "./steps.mjs";

export async function aboutRoom({ servers, lena, klara, tomasz, page }, look) {
  await page.getByRole("button", { name: "Who can read this" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByText(tomasz.id).first().waitFor();
  await look(page, "people");
  await panel.getByRole("button", { name: "More: Tomasz Wilk" }).click();
  await page.getByRole("menuitem").first().waitFor();
  await look(page, "person-menu");
  await page.getByRole("menuitem", { name: "Change role" }).click();
  await page.getByRole("dialog").waitFor();
  await look(page, "role");
  await closeDialog(page);
  await panel.getByRole("button", { name: "More: Tomasz Wilk" }).click();
  await page.getByRole("menuitem", { name: "Report" }).click();
  await page.getByRole("dialog").getByLabel("What is wrong").waitFor();
  await look(page, "report");
  await closeDialog(page);
  await panel.getByRole("button", { name: "More: Klara Nowak" }).click();
  await page.getByRole("menuitem", { name: "Ban from room" }).click();
  await page.getByRole("dialog").getByLabel("Why").fill("The flower beds");
  await look(page, "ban");
  await page.getByRole("dialog").getByRole("button", { name: "Ban from room" }).click();
  await panel.getByText("The flower beds").waitFor();
  await look(page, "banned");
  await panel.getByRole("button", { name: "Let them come back" }).click();
  await panel.getByText("The flower beds").waitFor({ state: "detached" });
  await panel.getByRole("button", { name: "Close" }).click();
  const dialog = page.getByRole("dialog");
  await lena.chooseAbout("Room settings");
  const tabs = { Room: "room", "Who comes in": "access", "Who may do what": "permissions", Addresses: "addresses", More: "more" };
  for (const [tab, name] of Object.entries(tabs)) {
    await dialog.getByRole("tab", { name: tab, exact: true }).click();
    if (tab === "Addresses") {
      await dialog.getByLabel("New address").fill("garden-house");
      await dialog.getByRole("button", { name: "Add" }).click();
      await dialog.getByText("Main address").waitFor();
    }
    if (tab === "Who comes in") {
      await dialog.getByLabel("Who may come in").selectOption({ label: "Those who ask and are let in" });
    }
    await look(page, `room-settings-${name}`);
  }
  await closeDialog(page);
  for (const [choice, name] of [["Notifications", "room-notifications"], ["Go to a date", "date"], ["Call", "call"]]) {
    await lena.chooseAbout(choice);
    await dialog.waitFor();
    await look(page, name);
    await closeDialog(page);
  }
  await lena.chooseAbout("Leave room");
  const left = page.getByRole("group", { name: /^You left / });
  await left.waitFor();
  await look(page, "left");
  await left.getByRole("button", { name: "Undo" }).click();
  await left.waitFor({ state: "detached" });
  await lena.choose("Garden house");
  await openAdd(klara, "Join a room");
  await klara.page.getByLabel("Address of the room").fill(`#garden-house:${servers[0].name}`);
  await look(klara.page, "join");
  await klara.page.getByRole("dialog").getByRole("button", { name: "Join", exact: true }).click();
  await klara.page.getByLabel("Say who you are").fill("From next door");
  await klara.page.getByRole("button", { name: "Ask to come in" }).click();
  await klara.page.getByText("You asked to come in").first().waitFor();
  await look(klara.page, "asked");
  await page.getByRole("button", { name: "Who can read this" }).click();
  await panel.getByText("From next door").waitFor();
  await look(page, "knock");
  await panel.getByRole("button", { name: "Let in" }).click();
  await panel.getByRole("button", { name: "Close" }).click();
}
