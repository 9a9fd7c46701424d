// Notifications where only the service worker may show them.
import assert from "node:assert/strict";
import test, { after } from "node:test";

import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

test("on a phone or installed a message is told of through the worker, each heard, and one press leads to it", async () => {
  await openBrowser();
  const server = await Server.alone("notified");
  after(() => endWith(server));
  const lena = await Person.register(server, "lena", { serviceWorkers: "allow" });
  const { page, context } = lena;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await context.grantPermissions(["notifications"]);
  await context.addInitScript(() => {
    // As on phones and in the installed client.
    const Nothing = function () {
      throw new TypeError("Illegal constructor");
    };
    window.Notification = Object.assign(Nothing, { permission: "granted", requestPermission: async () => "granted" });
    window.told = [];
    const show = ServiceWorkerRegistration.prototype.showNotification;
    ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
      window.told.push({ title, ...options });
      return show.call(this, title, options);
    };
  });
  await page.reload();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Show notifications on this device").check();
  const tomasz = await Person.register(server, "tomasz");
  await tomasz.startChat(lena);
  await lena.accept(/tomasz/);
  await page.getByRole("button", { name: "Settings" }).click();
  await tomasz.sends("The kettle is on");
  await tomasz.sends("The tea is ready");
  await page.waitForFunction(() => window.told.some(({ body }) => body === "The tea is ready"));
  const tea = await page.evaluate(() => window.told.find(({ body }) => body === "The tea is ready"));
  assert.equal(tea.renotify, true);
  assert.match(tea.data.goal.eventId, /^\$/);
  // Chromium lets nobody press what it would show here.
  const worker = context.serviceWorkers().at(-1);
  await worker.evaluate((data) => {
    const event = new Event("notificationclick");
    self.dispatchEvent(Object.assign(event, { waitUntil: () => {}, notification: { data, close: () => {} } }));
  }, tea.data);
  await lena.reads("The tea is ready");
  await page.locator(`[data-id="${tea.data.goal.eventId}"]`).waitFor();
});
