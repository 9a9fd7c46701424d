// The list of devices: each by a name, and all others logged out at once.
import test, { after } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

test("a device has a name that can be changed, and all others are logged out with one password", async () => {
  await openBrowser();
  const server = await Server.alone("devices");
  after(() => endWith(server));
  const lena = await Person.register(server, "lena");
  const [second, third] = [await lena.secondDevice(), await lena.secondDevice()];
  const { page } = lena;
  await page.getByRole("button", { name: "Settings" }).click();
  const all = page.getByRole("listitem").filter({ hasText: "Last used" });
  await page.getByText(/Sealpost in \w+ on \w+/).first().waitFor();
  await all.last().getByText("127.0.0.1").waitFor();
  await all.last().getByRole("button", { name: /^Rename device/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name of the device").fill("Kitchen");
  await assertAccessible(page, "a device gets another name");
  await dialog.getByRole("button", { name: "Save" }).click();
  await all.filter({ hasText: "Kitchen" }).waitFor();
  await page.getByRole("button", { name: "Log out all others" }).click();
  await dialog.getByLabel("Your password").fill(lena.password);
  await dialog.getByRole("button", { name: "Log out all others" }).click();
  await dialog.waitFor({ state: "detached" });
  await all.nth(1).waitFor({ state: "detached" });
  for (const other of [second, third]) await other.page.getByText("Your server logged this device out").waitFor();
});
