// A room with many people: they are found by name and by address, and not all of them are in the page.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("many");
  lena = await Person.register(server, "lena");
});

after(() => endWith(server));

test("of many people one finds somebody by name and by address, in a room and among those who are banned", async () => {
  const { page } = lena;
  const token = await server.logIn(lena);
  const { room_id: roomId } = await server.call(token, "POST", "/createRoom", { preset: "public_chat", name: "Field" });
  const come = async (name) => {
    const { id, token: theirs } = await server.register(name);
    await server.call(theirs, "PUT", `/profile/${id}/displayname`, { displayname: `Ms ${name.toUpperCase()}é` });
    await server.call(theirs, "POST", `/join/${roomId}`, {});
    return id;
  };
  for (const name of ["ada", "bea", "cleo", "dora", "emma", "fina", "gerda", "hilde"]) await come(name);
  await server.call(token, "POST", `/rooms/${roomId}/ban`, { user_id: await come("ida") });
  await lena.choose("Field");
  await page.getByRole("button", { name: "Who can read this" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByText("Ms HILDEé").waitFor();
  const [form, field] = [panel.getByLabel("Invite"), panel.getByLabel("Find people")];
  assert.ok((await form.boundingBox()).y < (await panel.getByText("Ms ADAé").boundingBox()).y, "one invites above the list");
  await field.fill("doraE");
  await panel.getByText("Ms DORAé").waitFor();
  await panel.getByText("Ms ADAé").waitFor({ state: "detached" });
  await assertAccessible(page, "somebody found");
  await field.fill("@hil");
  await panel.getByText("Ms HILDEé").waitFor();
  await panel.getByText("Ms DORAé").waitFor({ state: "detached" });
  await field.fill("ida");
  await panel.getByRole("button", { name: "Let them come back" }).waitFor();
  await field.fill("nobody at all");
  await panel.getByText("Nothing found").waitFor();
});
