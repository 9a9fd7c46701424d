// Who is who, what stands in between, and what is closed.
import { Person } from "../person.mjs";
import { closeDialog, WIDE } from "./steps.mjs";

/** Who is who. */
export async function trust({ lena, tomasz, page }, look) {
  await page.getByRole("button", { name: "Who can read this" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByRole("button", { name: "Not compared" }).first().waitFor();
  await panel.getByRole("listitem").filter({ hasText: "Tomasz" }).or(panel).getByRole("button", { name: "Not compared" }).last().click();
  const dialog = page.getByRole("dialog");
  await dialog.locator(".number span").first().waitFor();
  await look(page, "safety-number");
  await dialog.getByRole("button", { name: "Scan their code" }).click();
  await page.getByText("Looking for a code…").waitFor();
  await look(page, "scan");
  await page.getByRole("dialog").getByRole("button", { name: "Back" }).click();
  await dialog.getByRole("button", { name: "Compare emoji instead" }).click();
  await page.getByText("Waiting until Tomasz Wilk agrees…").waitFor();
  await look(page, "emoji-waiting");
  await tomasz.page.getByRole("button", { name: "Start" }).click();
  await page.getByText("Do you both see these, in this order?").waitFor();
  await look(page, "emoji-compare");
  for (const person of [lena, tomasz]) await person.page.getByRole("button", { name: "They are the same" }).click();
  await page.getByText("Compared. You are talking to each other.").waitFor();
  await look(page, "emoji-done");
  await page.getByRole("button", { name: "Done" }).click();
  await panel.getByText("Verified").nth(1).waitFor();
  await look(page, "people-verified");
  await panel.getByRole("button", { name: "Close" }).click();
}

/** A device that nobody knows. */
export async function devices({ lena }, look) {
  const second = await lena.secondDevice({ viewport: WIDE });
  await second.unapproved().waitFor();
  await second.choose("Garden house");
  await look(second.page, "unapproved");
  await second.page.getByRole("button", { name: "Approve" }).click();
  await second.page.getByRole("dialog").getByLabel("Recovery key").waitFor();
  await second.page.getByRole("button", { name: "Approve from another device" }).waitFor();
  await look(second.page, "approve");
  await second.page.getByRole("button", { name: "I have neither" }).click();
  await second.page.getByLabel("Your password").waitFor();
  await look(second.page, "new-identity");
  await second.page.getByRole("button", { name: "Back" }).click();
  await second.page.getByRole("button", { name: "Approve from another device" }).click();
  await second.page.getByText("Open Sealpost on a device", { exact: false }).waitFor();
  await look(second.page, "approve-waiting");
  await lena.page.getByRole("dialog", { name: "Is this new device yours?" }).waitFor();
  await look(lena.page, "approve-asked");
  await lena.page.getByRole("dialog").getByRole("button", { name: "Not now" }).click();
  await second.close();
}

/** No connection; no module; a browser that keeps nothing; another version. */
export async function failures({ servers: [server], lena, page }, look) {
  await lena.context.setOffline(true);
  await page.getByText("You’re offline.", { exact: false }).waitFor();
  await lena.say("Written in a tunnel");
  await page.getByText("1 message waits", { exact: false }).waitFor();
  await look(page, "offline");
  await lena.context.setOffline(false);
  const unsealed = await Person.open(server, { viewport: WIDE });
  Object.assign(unsealed, { name: lena.name, password: lena.password });
  await unsealed.context.route("**/*.wasm", (route) => route.abort());
  await unsealed.logIn();
  await unsealed.page.getByText("Sealing could not be loaded.", { exact: false }).waitFor();
  await look(unsealed.page, "no-module");
  await unsealed.close();
  const forgetful = await Person.open(server, { viewport: WIDE });
  await forgetful.context.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("nothing is kept", "InvalidStateError");
    };
  });
  await forgetful.page.reload();
  await forgetful.page.getByRole("heading", { name: "Sealpost could not start" }).waitFor();
  await look(forgetful.page, "not-started");
  await forgetful.close();
  await newVersion(server, look);
}

async function newVersion(server, look) {
  const visitor = await Person.open(server, { viewport: WIDE, serviceWorkers: "allow" });
  const { page } = visitor;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  server.proxy.edit = (path, bytes) =>
    path === "/sw.js" ? Buffer.from(bytes.toString().replace(/"version":"\w+"/, '"version":"second"')) : bytes;
  await page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
  await page.getByText("A new version of Sealpost is here.").waitFor();
  await look(page, "new-version");
  server.proxy.edit = undefined;
  await visitor.close();
}

/** A passphrase, and a server that wants the password again. */
export async function closing({ page }, look) {
  await page.getByRole("button", { name: "Settings" }).click();
  const section = page.getByRole("region", { name: "Security" });
  const dialog = page.getByRole("dialog");
  await section.getByRole("button", { name: "Set a passphrase" }).click();
  await dialog.getByLabel("New passphrase").fill("otter lantern quince");
  await dialog.getByLabel("Once more").fill("otter lantern quince");
  await look(page, "passphrase");
  await dialog.getByRole("button", { name: "Set a passphrase" }).click();
  await section.getByRole("button", { name: "Lock now" }).waitFor();
  await section.evaluate((node) => node.scrollIntoView());
  await look(page, "settings-security");
  await section.getByRole("button", { name: "Lock now" }).click();
  await page.getByRole("button", { name: "I don’t know it any more" }).waitFor();
  await look(page, "locked");
  await page.getByRole("button", { name: "I don’t know it any more" }).click();
  await look(page, "lock-forgotten");
  await closeDialog(page);
  await page.getByLabel("Passphrase").fill("otter lantern quince");
  await page.getByRole("button", { name: "Unlock" }).click();
  await page.getByRole("button", { name: "Search or jump to" }).waitFor();
  await page.context().route(/\/(sync|refresh)\b/, (route) =>
    route.fulfill({ status: 401, json: { errcode: "M_UNKNOWN_TOKEN", error: "Log in again", soft_logout: true } }),
  );
  await page.getByRole("heading", { name: "Log in again" }).waitFor();
  await page.getByLabel("Password").waitFor();
  await look(page, "soft-logout");
}
