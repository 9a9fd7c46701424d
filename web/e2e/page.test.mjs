// The page in a real browser, from a real server. Run by `cargo xtask test browser`, which names the server
// in SEALPOST_URL and the browser in CHROMIUM.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { chromium } from "playwright-core";

const url = process.env.SEALPOST_URL;
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'";

let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
    ],
  });
});

after(() => browser?.close());

/** A page of its own; everything that the browser complains about is in `complaints`. */
async function open(options, prepare) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await prepare?.(page);
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

test("the page names the server, its version and the address to enter", async () => {
  const { page, complaints, close } = await open();
  await page.getByRole("heading", { name: "Log in from your client" }).waitFor();
  const known = await (await fetch(`${url}/.well-known/matrix/client`)).json();
  const about = known["org.sealpost.server"];
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), about.name);
  assert.match(await page.getByRole("banner").innerText(), new RegExp(`Sealpost ${about.version}`));
  assert.equal(await page.locator("code").innerText(), known["m.homeserver"].base_url);
  assert.match(await page.getByRole("main").innerText(), new RegExp(`@name:${about.name}`));
  assert.deepEqual(complaints, []);
  await close();
});

test("nothing on the page breaks under a strict content security policy", async () => {
  const { page, complaints, close } = await open({}, (page) =>
    page.route(`${url}/`, async (route) => {
      const response = await route.fetch();
      const headers = { ...response.headers(), "content-security-policy": policy };
      await route.fulfill({ response, headers });
    }),
  );
  await page.getByRole("heading", { name: "Log in from your client" }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("light and dark differ, and a narrow screen does not scroll sideways", async () => {
  const grounds = [];
  for (const colorScheme of ["light", "dark"]) {
    const { page, close } = await open({ colorScheme, viewport: { width: 360, height: 720 } });
    await page.getByRole("heading", { name: "Log in from your client" }).waitFor();
    grounds.push(
      await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor),
    );
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0);
    await close();
  }
  assert.notEqual(grounds[0], grounds[1]);
});

test("a server that does not answer is told, and can be asked again", async () => {
  const { page, close } = await open({}, (page) =>
    page.route("**/_matrix/client/versions", (route) => route.abort()),
  );
  await page.getByRole("alert").waitFor();
  await page.unroute("**/_matrix/client/versions");
  await page.getByRole("button", { name: "Ask again" }).click();
  await page.getByRole("heading", { name: "Log in from your client" }).waitFor();
  await close();
});
