// What a sealed conversation wants besides words: threads, polls, pins, histories of edits, links, receipts.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes, fits, hasFocus } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser, Person } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas, klara;

before(async () => {
  await openBrowser();
  server = await Server.alone("conversation");
  [lena, jonas] = await lenaAndJonas(server);
  klara = await Person.register(server, "klara");
  await lena.startRoom("Garden house");
  await lena.invite(jonas);
  await jonas.accept(/Garden house/);
  await lena.page.getByText(/jonas.* came in/).waitFor();
  await lena.sends("the roof is done");
  await jonas.reads("the roof is done");
});

after(() => endWith(server));

async function act(person, words, name) {
  await person.message(words).hover();
  await person.message(words).getByRole("button", { name: "More" }).click();
  await person.page.getByRole("menuitem", { name }).click();
}

test("a thread stands beside the room, and its beginning says how long it is", async () => {
  await act(jonas, "the roof is done", "Reply in a thread");
  const panel = jonas.page.getByRole("complementary", { name: "Thread" });
  await panel.getByRole("textbox").fill("and the gutters?");
  await panel.getByRole("textbox").press("Enter");
  await panel.getByText("and the gutters?").waitFor();
  await assertAccessible(jonas.page, "thread");
  await lena.page.getByRole("button", { name: "1 reply" }).click();
  const beside = lena.page.getByRole("complementary", { name: "Thread" });
  await beside.getByText("and the gutters?").waitFor();
  assert.equal(await lena.page.getByRole("main").getByText("and the gutters?", { exact: true }).count(), 0);
  for (const one of [panel, beside]) await one.getByRole("button", { name: "Close" }).click();
});

test("what was said in a thread is told of until it is read there, and what was begun in it is kept", async () => {
  const open = async (person) => {
    await person.page.getByRole("button", { name: /repl(y|ies)/ }).click();
    return person.page.getByRole("complementary", { name: "Thread" });
  };
  const panel = await open(jonas);
  await panel.getByRole("textbox").fill("they hold, too");
  await panel.getByRole("textbox").press("Enter");
  // She looks at the room all the while.
  const news = lena.page.getByRole("button", { name: "New in a thread" });
  await news.waitFor();
  await assertAccessible(lena.page, "news of a thread");
  await news.click();
  const beside = lena.page.getByRole("complementary", { name: "Thread" });
  await beside.getByText("they hold, too").waitFor();
  await news.waitFor({ state: "detached" });
  await beside.getByRole("textbox").fill("half a sentence");
  await beside.getByRole("button", { name: "Close" }).click();
  await comes(async () => (await open(lena)).getByRole("textbox").inputValue(), "half a sentence");
  // The last own words of the thread are changed there.
  await panel.getByRole("textbox").press("ArrowUp");
  await panel.getByRole("textbox").fill("they hold as well");
  await panel.getByRole("textbox").press("Enter");
  await beside.getByText("they hold as well").waitFor();
  for (const one of [panel, beside]) await one.getByRole("button", { name: "Close" }).click();
});

test("a poll is asked, answered and ended, and no server knows of what", async () => {
  await lena.page.getByRole("button", { name: "Add", exact: true }).click();
  await lena.page.getByRole("menuitem", { name: "Poll" }).click();
  const dialog = lena.page.getByRole("dialog");
  const question = dialog.getByLabel("Question");
  await question.waitFor();
  await hasFocus(question);
  await lena.page.keyboard.type("which-colour-for-the-door");
  await dialog.getByRole("button", { name: "One more answer" }).click();
  await dialog.getByLabel("Answer 1", { exact: true }).fill("red");
  await dialog.getByLabel("Answer 2", { exact: true }).fill("green");
  await dialog.getByLabel("Answer 3", { exact: true }).fill("blue");
  await assertAccessible(lena.page, "new poll");
  await dialog.getByRole("button", { name: "Remove answer 1" }).click();
  assert.equal(await dialog.getByLabel("Answer 1", { exact: true }).inputValue(), "green");
  await dialog.getByLabel("Answer 2", { exact: true }).press("Enter");
  for (const person of [jonas, lena]) {
    const poll = person.page.getByRole("group", { name: "which-colour-for-the-door" });
    await poll.getByRole("button", { name: "green" }).click();
  }
  const poll = lena.page.getByRole("group", { name: "which-colour-for-the-door" });
  await poll.getByText("2 votes").waitFor();
  await poll.getByText("Who chose what").click();
  await poll.getByRole("definition").getByText(/jonas/).waitFor();
  await assertAccessible(lena.page, "poll");
  await poll.getByRole("button", { name: "End the poll" }).click();
  await poll.getByText("Ended, 2 votes").waitFor();
  await lena.page.getByRole("button", { name: "Undo" }).click();
  await poll.getByText("Ended, 2 votes").waitFor({ state: "detached" });
  await poll.getByRole("button", { name: "End the poll" }).click();
  await lena.page.getByRole("button", { name: "Do it now" }).click();
  await jonas.page.getByText("Ended, 2 votes").waitFor();
  assert.deepEqual(foundAt(["which-colour-for-the-door"], server), []);
});

test("a poll that is asked in a thread stands there, and not in the room", async () => {
  await lena.page.getByRole("button", { name: /repl(y|ies)/ }).click();
  const panel = lena.page.getByRole("complementary", { name: "Thread" });
  await panel.getByRole("button", { name: "Add", exact: true }).click();
  await lena.page.getByRole("menuitem", { name: "Poll" }).click();
  const dialog = lena.page.getByRole("dialog");
  await dialog.getByLabel("Question").fill("who-brings-the-ladder");
  await dialog.getByLabel("Answer 1").fill("Lena");
  await dialog.getByLabel("Answer 2").fill("Jonas");
  await dialog.getByRole("button", { name: "Ask" }).click();
  await panel.getByRole("group", { name: "who-brings-the-ladder" }).waitFor();
  await jonas.page.getByRole("button", { name: /repl(y|ies)/ }).click();
  const beside = jonas.page.getByRole("complementary", { name: "Thread" });
  await beside.getByRole("group", { name: "who-brings-the-ladder" }).waitFor();
  assert.equal(await jonas.page.getByRole("main").getByRole("group", { name: "who-brings-the-ladder" }).count(), 0);
  for (const one of [panel, beside]) await one.getByRole("button", { name: "Close" }).click();
});

test("what is pinned stands above for all, and leads to where it was said", async () => {
  await act(lena, "the roof is done", "Pin");
  const pins = jonas.page.getByRole("region", { name: "Pinned" });
  await pins.getByText("the roof is done").waitFor();
  await assertAccessible(jonas.page, "pinned");
  await pins.getByRole("button", { name: "the roof is done" }).click();
  const told = jonas.page.getByText("lena pinned a message.");
  await told.getByRole("button", { name: "Show it" }).click();
  await lena.page.getByRole("region", { name: "Pinned" }).getByRole("button", { name: "Unpin" }).click();
  await pins.waitFor({ state: "detached" });
});

test("an edit shows what was said before, and who has read so far is seen", async () => {
  await lena.sends("paint on Monday");
  await lena.edits("paint on Monday", "paint on Tuesday");
  await jonas.message("paint on Tuesday").getByRole("button", { name: "(edited)" }).click();
  const dialog = jonas.page.getByRole("dialog", { name: "What it said" });
  await dialog.getByText("paint on Monday").waitFor();
  await assertAccessible(jonas.page, "history of an edit");
  await jonas.page.keyboard.press("Escape");
  await jonas.page.bringToFront();
  await lena.page.getByText("Read by jonas").waitFor({ state: "attached" });
});

test("what is removed or unpinned is there again when it is taken back, and gone when the page is left", async () => {
  const redactions = () => server.proxy.requests.filter(({ path }) => path.includes("/redact/")).length;
  await lena.sends("a slip of the pen");
  await jonas.reads("a slip of the pen");
  await lena.stored("a slip of the pen").waitFor();
  await act(lena, "a slip of the pen", "Remove");
  const deed = lena.page.getByRole("group", { name: "Message removed" });
  await deed.waitFor();
  await lena.page.getByRole("article").getByText("Message removed").waitFor();
  await assertAccessible(lena.page, "something that can be taken back");
  await deed.getByRole("button", { name: "Undo" }).click();
  await lena.reads("a slip of the pen");
  assert.equal(redactions(), 0);
  // By key, and then for good as the page is hidden.
  await act(lena, "a slip of the pen", "Remove");
  await deed.waitFor();
  await lena.page.keyboard.press("Control+z");
  await lena.reads("a slip of the pen");
  await act(lena, "a slip of the pen", "Remove");
  await deed.waitFor();
  await lena.page.goto("about:blank");
  await jonas.page.getByRole("article").getByText("Message removed").waitFor();
  assert.equal(redactions(), 1);
  await lena.page.goto(server.url);
  await lena.choose("Garden house");
});

test("a room that was left is there again when that is taken back", async () => {
  const { page } = lena;
  await lena.startRoom("Attic");
  await lena.chooseAbout("Leave room");
  const deed = page.getByRole("group", { name: "You left Attic" });
  await deed.waitFor();
  const row = page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Attic" });
  await row.waitFor({ state: "detached" });
  await page.setViewportSize({ width: 360, height: 720 });
  await fits(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await deed.getByRole("button", { name: "Undo" }).click();
  await row.waitFor();
  await lena.choose("Attic");
  await lena.sends("still here");
  await lena.leave();
  await row.waitFor({ state: "detached" });
  await lena.choose("Garden house");
});

test("code is coloured, and a link to a message is followed within the client", async () => {
  await lena.say('```js\nconst roof = "done";\n```');
  await jonas.page.locator("pre .code-string").waitFor();
  await assertAccessible(jonas.page, "code");
  const id = await lena.message("the roof is done").getAttribute("data-id");
  const roomId = decodeURIComponent(new URL(lena.page.url()).hash.split("/")[2]);
  await lena.say(`see https://matrix.to/#/${encodeURIComponent(roomId)}/${encodeURIComponent(id)}`);
  await jonas.page.getByRole("link", { name: /matrix\.to/ }).click();
  await jonas.page.waitForFunction((id) => document.activeElement?.dataset["id"] === id, id);
});

test("a message that the server holds back in a group is missed", async () => {
  await lena.startRoom("Choir");
  await lena.invite(jonas);
  await lena.invite(klara);
  for (const person of [jonas, klara]) await person.accept(/Choir/);
  await lena.page.getByText(/klara.* came in/).waitFor();
  await jonas.sends("first verse");
  await lena.reads("first verse");
  const first = await lena.message("first verse").getAttribute("data-id");
  let withheld;
  const stop = server.proxy.tamper(({ path }, told) => {
    if (!path.endsWith("/sync")) return;
    const rooms = Object.values(told.rooms ?? {});
    // Others may be told of the first only now.
    const isIt = ({ sender, type, event_id: id }) =>
      sender === jonas.id && type === "m.room.encrypted" && id !== first && (withheld ??= id) === id;
    for (const room of rooms) if (room.timeline) room.timeline = room.timeline.filter((event) => !isIt(event));
    return told;
  });
  await jonas.say("second verse");
  await jonas.say("third verse");
  await lena.reads("third verse");
  await lena.page.getByText("1 message from jonas did not arrive.", { exact: false }).waitFor();
  await assertAccessible(lena.page, "a message that was held back");
  stop();
});
