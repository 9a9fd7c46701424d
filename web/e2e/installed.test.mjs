// The service worker: the client starts without a network, shows pictures with the token, and changes when it is told to.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test, { after, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, beside;

before(async () => {
  await openBrowser();
  server = await Server.alone("installed");
  lena = await Person.register(server, "lena", { serviceWorkers: "allow" });
  await lena.startRoom("Garden house", "Roof");
  await lena.sends("the-roof-is-done");
  await lena.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
});

after(() => endWith(server));

const current = () => lena.page.evaluate(async () => (await navigator.serviceWorker.ready).active.scriptURL);

test("the client can be installed", async () => {
  assert.equal(await current(), `${server.url}/sw.js`);
  const session = await lena.context.newCDPSession(lena.page);
  const { url, errors, data } = await session.send("Page.getAppManifest");
  assert.equal(url, `${server.url}/sealpost.webmanifest`);
  assert.deepEqual(errors, []);
  for (const { src } of JSON.parse(data).icons) {
    const size = await lena.page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      await image.decode();
      return image.naturalWidth;
    }, src);
    assert.ok(size > 0, src);
  }
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  // A window without traces is never installable; of anything else nothing is wrong.
  assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito"), []);
});

test("a picture is shown through the worker, whose request alone has the token", async () => {
  const { page } = lena;
  await page.evaluate(async (userId) => {
    const opened = indexedDB.open("sealpost");
    await new Promise((resolve) => (opened.onsuccess = resolve));
    const found = opened.result.transaction("sessions").objectStore("sessions").get("current");
    await new Promise((resolve) => (found.onsuccess = resolve));
    opened.result.close();
    const headers = { authorization: `Bearer ${found.result.accessToken}` };
    const canvas = new OffscreenCanvas(64, 64);
    canvas.getContext("2d").fillRect(0, 0, 64, 64);
    const body = await canvas.convertToBlob({ type: "image/png" });
    const uploaded = await fetch("/_matrix/media/v3/upload", { method: "POST", headers, body });
    const { content_uri } = await uploaded.json();
    const at = `/_matrix/client/v3/profile/${encodeURIComponent(userId)}/avatar_url`;
    await fetch(at, { method: "PUT", headers, body: JSON.stringify({ avatar_url: content_uri }) });
  }, lena.id);
  const picture = lena.message("the-roof-is-done").locator("img").first();
  await lena.choose("Garden house");
  await picture.waitFor();
  await page.waitForFunction((image) => image.complete && image.naturalWidth > 0, await picture.elementHandle());
  const address = await picture.getAttribute("src");
  assert.match(address, /^\/_matrix\/client\/v1\/media\/thumbnail\//);
  assert.doesNotMatch(address, /token/);
  assert.doesNotMatch(server.proxy.requests.map(({ path }) => path).join("\n"), /access_token/);
  // What a person opens as a page is not answered from media: there is no token in it.
  const opened = await page.evaluate((src) => fetch(src).then(({ status }) => status), address);
  assert.equal(opened, 401);
});

test("what the homeserver is asked for does not go through the worker, and does not keep it from leaving", async () => {
  await lena.page.reload();
  await lena.reads("the-roof-is-done");
  const ways = await lena.page.waitForFunction(() => {
    const asked = performance.getEntriesByType("resource").filter(({ name }) => new URL(name).pathname.startsWith("/_matrix/"));
    return asked.length > 1 && asked.map(({ name, workerMatchedSourceType }) => [new URL(name).pathname, workerMatchedSourceType]);
  });
  for (const [path, way] of await ways.jsonValue()) assert.equal(way, path.includes("/media/") ? "fetch-event" : "network", path);
});

test("without a network the client starts, with its rooms and the last words", async () => {
  const { page } = lena;
  await lena.context.setOffline(true);
  await page.reload();
  await page.getByText("You’re offline.", { exact: false }).waitFor();
  await lena.choose("Garden house");
  await lena.reads("the-roof-is-done");
  await lena.say("written-on-the-train");
  await lena.context.setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByText("You’re offline.", { exact: false }).waitFor({ state: "detached" });
  await page.getByText("Waiting for the connection").waitFor({ state: "detached" });
  await lena.reads("written-on-the-train");
});

const hash = (bytes) => createHash("sha256").update(bytes).digest("base64");
const mark = (bytes, edition) => Buffer.from(bytes.toString().replace("</head>", `<meta name="edition" content="${edition}" /></head>`));
/** The page as it is without a mark. */
let whole;

/** Has the server send another version of the client. */
function serve(edition) {
  server.proxy.edit = (path, bytes) => {
    if (path === "/") return mark(bytes, edition);
    if (path !== "/sw.js") return bytes;
    const code = bytes.toString().replace(hash(whole), hash(mark(whole, edition)));
    return Buffer.from(code.replace(/"version":"\w+"/, `"version":"${edition}"`));
  };
}

/** Looks for a new version; how far the browser comes with it. */
const look = () => lena.page.evaluate(async () => {
  const registration = await navigator.serviceWorker.ready;
  await registration.update().catch(() => {});
  const worker = registration.installing ?? registration.waiting;
  while (worker && !["installed", "redundant"].includes(worker.state)) {
    await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
  }
  return worker?.state ?? "none";
});

async function offer(edition) {
  serve(edition);
  assert.equal(await look(), "installed");
  await lena.page.getByText("A new version of Sealpost is here.").waitFor();
}

async function change(edition, tabs) {
  await lena.page.getByRole("button", { name: "Change to it" }).click();
  for (const tab of tabs) {
    await tab.page.locator(`meta[name="edition"][content="${edition}"]`).waitFor({ state: "attached" });
    await tab.reads("written-on-the-train");
  }
  await comes(() => lena.page.evaluate(() => caches.keys()), [`shell ${edition}`]);
}

test("half a version is not taken, and a whole one is offered and comes when it is wanted, in every tab", async () => {
  const { page } = lena;
  beside = await lena.tab();
  await beside.reads("written-on-the-train");
  server.proxy.edit = (path, bytes) => {
    if (path === "/") whole = bytes;
    return path === "/sw.js" ? Buffer.concat([bytes, Buffer.from("// first try\n")]) : path === "/" ? mark(bytes, "half") : bytes;
  };
  // The worker tells of a page with another hash than the one that comes.
  assert.equal(await look(), "redundant");
  assert.equal(await page.getByText("A new version of Sealpost is here.").count(), 0);
  await offer("second");
  await page.reload();
  assert.equal(await page.locator('meta[name="edition"]').count(), 0);
  await change("second", [lena, beside]);
});

test("a new version does not wait for what is fetched by the one before, nor leaves a tab that was loaded past that", async () => {
  await offer("third");
  const session = await beside.context.newCDPSession(beside.page);
  await session.send("Page.reload", { ignoreCache: true });
  await beside.page.waitForFunction(() => navigator.serviceWorker.controller === null);
  await beside.reads("written-on-the-train");
  const slow = server.proxy.hold(({ path }) => path.includes("/media/thumbnail/"));
  await lena.page.evaluate((src) => {
    globalThis.slow = new Image();
    globalThis.slow.src = `${src}&again`;
  }, await lena.message("the-roof-is-done").locator("img").first().getAttribute("src"));
  await slow.reached;
  await change("third", [lena, beside]);
  slow.release();
});

test("a tab that was being loaded when the version changed is of the new one", async () => {
  await offer("fourth");
  const slow = server.proxy.hold(({ path }) => path === "/_matrix/slow");
  await beside.page.addInitScript(() => {
    addEventListener("DOMContentLoaded", () => document.body.append(Object.assign(new Image(), { src: "/_matrix/slow" })));
  });
  const loaded = beside.page.reload();
  await slow.reached;
  await change("fourth", [lena]);
  slow.release();
  await loaded;
  await beside.page.locator('meta[name="edition"][content="fourth"]').waitFor({ state: "attached" });
});

test("nobody but the own server was asked for anything", () => {
  lena.assertOwnOrigin();
  assert.deepEqual(lena.crashes, []);
});
