// The ways in that servers have, and sessions that end without the keys being lost.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server, startAll } from "./support/servers.mjs";

let closed, server, lena, jonas, key;

before(async () => {
  await openBrowser();
  [closed, server] = await startAll(() => Server.alone("closed", "tokens_required = true"), () => Server.alone("ways"));
});

after(() => endWith(closed, server));

test("a server that wants a code takes one that it gave out, and no other", async () => {
  const code = execFileSync(process.env.SEALPOST_PROGRAM, ["registration-token", "create", "--uses", "1"], {
    cwd: closed.folder, encoding: "utf8",
  });
  const mara = await Person.open(closed);
  const { page } = mara;
  await mara.asksForAccount("mara");
  await page.getByLabel("Invitation code").fill("made-up");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("That code is not valid any more, or mistyped.").waitFor();
  await assertAccessible(page, "a code that is wrong");
  await page.getByLabel("Invitation code").fill(code.trim());
  await page.getByRole("button", { name: "Go on" }).click();
  await mara.savesKeyLater();
  await mara.close();
});

test("a server that has terms is agreed with, and nobody has an account who gives up", async () => {
  lena = await Person.open(server);
  const { page } = lena;
  const stages = ["m.login.terms", "m.login.dummy"];
  const policies = { terms: { version: "1", en: { name: "Rules of the house", url: "https://garden.example/rules" } } };
  const agreed = [];
  await page.route("**/v3/register", (route) => {
    const { auth, ...wanted } = route.request().postDataJSON();
    if (auth?.type === "m.login.terms" && auth.session === "s1") agreed.push("m.login.terms");
    // The rest is between the client and the server.
    if (agreed.length > 0) return route.continue({ postData: JSON.stringify({ ...wanted, auth: { type: "m.login.dummy" } }) });
    const json = { session: "s1", completed: agreed, flows: [{ stages }], params: { "m.login.terms": { policies } } };
    return route.fulfill({ status: 401, json });
  });
  await lena.asksForAccount("lena");
  await page.getByRole("link", { name: "Rules of the house" }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByLabel("Password again").waitFor();
  assert.deepEqual(agreed, []);
  await page.reload();
  await lena.asksForAccount("lena");
  await comes(() => page.getByRole("link", { name: "Rules of the house" }).getAttribute("href"), "https://garden.example/rules");
  await page.getByRole("button", { name: "I agree" }).click();
  await lena.savesKeyLater();
  await page.unroute("**/v3/register");
  key = await lena.saveKey();
});

test("a token that has run out is renewed, and nobody notices", async () => {
  jonas = await Person.register(server, "jonas");
  await lena.meets(jonas, "ivy-on-the-wall");
  const stop = await ended(lena, { withRenewal: true });
  await jonas.sends("the-ladder-is-behind-the-shed");
  await lena.reads("the-ladder-is-behind-the-shed");
  await lena.sends("it-has-seven-rungs");
  await jonas.reads("it-has-seven-rungs");
  assert.ok(server.proxy.requests.some(({ path }) => path.endsWith("/v3/refresh")));
  await stop();
});

test("who has to log in again finds everything as it was, and goes on as the same device", async () => {
  const before = await devices();
  const stop = await ended(lena);
  const { page } = lena;
  await page.getByRole("heading", { name: "Log in again" }).waitFor();
  await assertAccessible(page, "a session that ended");
  await jonas.sends("said-while-lena-was-out");
  await page.getByLabel("Password").fill(lena.password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await lena.choose("jonas");
  await Promise.all(["ivy-on-the-wall", "it-has-seven-rungs", "said-while-lena-was-out"].map((words) => lena.reads(words)));
  await lena.sends("back-again");
  await jonas.reads("back-again");
  await stop();
  assert.deepEqual((await devices()).map(({ device_id }) => device_id), before.map(({ device_id }) => device_id));
});

test("where there is single sign-on alone, one goes there, and comes back as the same device", async () => {
  const { page } = lena;
  const before = await devices();
  await hasOnlySingleSignOn(lena);
  const stop = await ended(lena);
  await page.getByRole("button", { name: "Log in with Garden club" }).click();
  await lena.choose("jonas");
  await lena.reads("back-again");
  await lena.sends("by-another-door");
  await jonas.reads("by-another-door");
  await stop();
  assert.equal(new URL(page.url()).search, "");
  assert.deepEqual((await devices()).map(({ device_id }) => device_id), before.map(({ device_id }) => device_id));
});

test("a token that somebody else put into an address logs nobody in, also where one set out oneself", async () => {
  const other = await Person.open(server);
  const { page } = other;
  await hasOnlySingleSignOn(other);
  await page.reload();
  // The provider keeps who set out.
  await other.context.route("**/login/sso/redirect/club**", (route) => route.fulfill({ contentType: "text/html", body: "closed" }));
  await page.getByRole("button", { name: "Log in with Garden club" }).click();
  await page.getByText("closed").waitFor();
  for (const state of ["", "&state=", "&state=0b1d2ae8-9c7e-4b8e-8f57-9f1b2c3d4e5f"]) {
    await page.goto(`${server.url}/?loginToken=${await loginToken()}${state}`);
    await page.getByRole("button", { name: "Log in with Garden club" }).waitFor();
    assert.equal(new URL(page.url()).search, "");
  }
  await other.close();
});

test("who comes by single sign-on to a new browser is approved by the recovery key", async () => {
  const other = await Person.open(server);
  Object.assign(other, { name: lena.name, id: lena.id, password: lena.password });
  await hasOnlySingleSignOn(other);
  await other.page.reload();
  await assertAccessible(other.page, "single sign-on");
  await other.page.getByRole("button", { name: "Log in with Garden club" }).click();
  await other.page.getByRole("button", { name: "Approve", exact: true }).first().click();
  await other.approve(key);
  await other.choose("jonas");
  await other.sends("from-the-library");
  await jonas.reads("from-the-library");
  await other.close();
});

test("a server that lets nobody in by a way of ours says so plainly", async () => {
  const stranger = await Person.open(server);
  const { page } = stranger;
  const said = page.getByText("This server lets people in by a way that this client does not have yet.");
  for (const answer of [
    { json: { flows: [] } },
    { json: { flows: [{ type: "m.login.oath" }] } },
    // What a server answers that has OAuth in the place of all this.
    { status: 404, json: { errcode: "M_UNRECOGNIZED", error: "Unrecognized request" } },
  ]) {
    await page.route("**/v3/login", (route) => route.fulfill(answer));
    await page.reload();
    await said.waitFor();
    assert.equal(await page.getByLabel("Password").count(), 0);
    await assertAccessible(page, "no way in");
    await page.unroute("**/v3/login");
  }
  await stranger.close();
});

const unknown = { errcode: "M_UNKNOWN_TOKEN", error: "It has run out", soft_logout: true };

/** The server knows the tokens no longer that somebody's browser has by now. Answers what ends that. */
async function ended({ context }, { withRenewal = false } = {}) {
  const gone = new Set();
  let isOver = false;
  const tokenOf = (request) => request.headers()["authorization"];
  const refuse = (route) => {
    const token = tokenOf(route.request());
    if (token && !isOver) {
      if (gone.size === 0) gone.add(token);
      if (gone.has(token)) return route.fulfill({ status: 401, json: unknown });
    }
    if (!withRenewal && !isOver && route.request().url().endsWith("/v3/refresh")) return route.fulfill({ status: 401, json: unknown });
    return route.fallback();
  };
  await context.route("**/_matrix/client/**", refuse);
  return async () => {
    isOver = true;
    await context.unroute("**/_matrix/client/**", refuse);
  };
}

async function devices() {
  const { devices } = await server.call(await tokenPast(), "GET", "/devices");
  return devices.filter(({ display_name }) => display_name?.startsWith("Sealpost")).sort((a, b) => a.device_id.localeCompare(b.device_id));
}

let past;
/** A token of Lena's that no browser has. */
async function tokenPast() {
  past ??= await server.logIn(lena);
  return past;
}

/** A provider that knows Lena, in place of passwords. */
async function hasOnlySingleSignOn({ context }) {
  const flows = [{ type: "m.login.sso", identity_providers: [{ id: "club", name: "Garden club" }] }, { type: "m.login.token" }];
  await context.route("**/v3/login", (route) =>
    route.request().method() === "GET" ? route.fulfill({ json: { flows } }) : route.fallback());
  await context.route("**/login/sso/redirect/club**", async (route) => {
    const back = new URL(new URL(route.request().url()).searchParams.get("redirectUrl"));
    back.searchParams.set("loginToken", await loginToken());
    await route.fulfill({ status: 302, headers: { location: back.href } });
  });
}

async function loginToken() {
  const identifier = { type: "m.id.user", user: lena.name };
  const answer = await fetch(`http://127.0.0.1:${server.clientPort}/_matrix/client/v1/login/get_token`, {
    method: "POST",
    headers: { authorization: `Bearer ${await tokenPast()}` },
    body: JSON.stringify({ auth: { type: "m.login.password", identifier, password: lena.password } }),
  });
  return (await answer.json()).login_token;
}
