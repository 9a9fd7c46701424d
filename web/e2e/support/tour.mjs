// Through every main screen and panel of the client, as people come to them. What is done at each is the caller's.
import { Person } from "./person.mjs";
import { twoServers } from "./servers.mjs";

export const WIDE = { width: 1440, height: 900 };

/** Calls `look(page, name)` at every screen; each waits for what it shows, and is left as it was come to. */
export async function tour(look) {
  const servers = await twoServers("tour");
  try {
    await strangers(servers[0], look);
    const people = await neighbours(servers, look);
    await conversation(people, look);
    await beside(people, look);
    await aboutRoom(people, look);
    await elsewhere(people, look);
    await own(people, look);
    await trust(people, look);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function strangers(server, look) {
  const visitor = await Person.open(server, { viewport: WIDE });
  const { page } = visitor;
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await look(page, "login");
  await page.getByRole("button", { name: "another server" }).click();
  await page.getByRole("textbox", { name: "Server" }).waitFor();
  await look(page, "login-server");
  await page.reload();
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Password again").waitFor();
  await look(page, "register");
  await visitor.close();
}

/** Three people who find each other. */
async function neighbours(servers, look) {
  const lena = await Person.fillRegistration(servers[0], "lena", { viewport: WIDE });
  const { page } = lena;
  const dialog = page.getByRole("dialog");
  await dialog.locator("code").filter({ hasText: /\S/ }).waitFor();
  await look(page, "recovery-first");
  await dialog.getByRole("button", { name: "Later" }).click();
  await page.getByText("Your recovery key is not saved yet.").waitFor();
  await look(page, "empty");
  await lena.saveKey();
  const tomasz = await Person.register(servers[1], "tomasz", { viewport: WIDE });
  const klara = await Person.register(servers[0], "klara", { viewport: WIDE });
  await lena.setName("Lena Vogt");
  await tomasz.setName("Tomasz Wilk");
  await klara.setName("Klara Nowak");
  await lena.startRoom("Garden house", "Roof, gutters, paint");
  await lena.invite(tomasz);
  await tomasz.page.getByText("invites you").first().waitFor();
  await tomasz.page.getByRole("navigation").getByRole("button", { name: /Garden house/ }).first().click();
  await tomasz.page.getByRole("button", { name: "Accept" }).waitFor();
  await look(tomasz.page, "invitation");
  await tomasz.accept(/Garden house/);
  await lena.startChat(tomasz);
  await lena.say("Have you seen the invitation?");
  await tomasz.accept(/Lena Vogt/);
  await tomasz.reads("Have you seen the invitation?");
  await tomasz.say("Just now. Sounds good, see you there!");
  await lena.reads("Just now. Sounds good, see you there!");
  return { servers, lena, tomasz, klara, page };
}

/** A picture of something, as bytes of a PNG. */
async function painted(page, hue) {
  const encoded = await page.evaluate((hue) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 420 });
    const context = canvas.getContext("2d");
    const sky = context.createLinearGradient(0, 0, 0, 420);
    sky.addColorStop(0, `hsl(${hue} 60% 62%)`);
    sky.addColorStop(1, `hsl(${hue + 30} 70% 88%)`);
    context.fillStyle = sky;
    context.fillRect(0, 0, 640, 420);
    context.fillStyle = "hsl(120 30% 38%)";
    context.fillRect(0, 320, 640, 100);
    context.fillStyle = "hsl(30 35% 82%)";
    context.fillRect(210, 190, 230, 150);
    context.fillStyle = "hsl(12 45% 42%)";
    context.beginPath();
    context.moveTo(190, 190);
    context.lineTo(325, 100);
    context.lineTo(460, 190);
    context.fill();
    context.fillStyle = "hsl(210 30% 40%)";
    context.fillRect(300, 250, 50, 90);
    return canvas.toDataURL("image/png").split(",")[1];
  }, hue);
  return Buffer.from(encoded, "base64");
}

async function chooseOf(person, words, name) {
  await person.message(words).hover();
  await person.message(words).getByRole("button", { name: "More" }).click();
  await person.page.getByRole("menuitem", { name }).click();
}

/** Everything that stands in a conversation. */
async function conversation({ lena, tomasz, klara, page }, look) {
  await lena.choose("Garden house");
  await lena.say("The carpenter was here. **Roof is done**, gutters come on Thursday.");
  await lena.say("Here is the invoice, could someone check the second page?");
  await lena.attach("invoice-roof.pdf", Buffer.alloc(312_000, 7));
  await page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.choose("Garden house");
  await tomasz.page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.reply("Here is the invoice, could someone check the second page?", "Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.reads("Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.react("Page two is fine, they took off the scaffolding as agreed 👍", "❤️");
  await tomasz.say("1. Paint\n2. Brushes\n3. `ladder` from Jonas");
  await page.getByRole("article").getByText("Brushes").waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room");
  await lena.invite(klara);
  await klara.accept(/Garden house/);
  await page.getByText(/Klara Nowak.* came in/).waitFor();
  await lena.attach("roof.png", await painted(page, 200));
  await page.getByRole("img", { name: "roof.png" }).waitFor();
  await lena.attach("evening.png", await painted(page, 20));
  await page.getByRole("img", { name: "evening.png" }).waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room-pictures");
  await page.getByRole("button", { name: "Picture: roof.png" }).click();
  await page.getByRole("dialog", { name: "Picture" }).getByRole("img", { name: "roof.png" }).waitFor();
  await look(page, "viewer");
  await closeDialog(page);
  await lena.say("```js\nconst paint = { colour: \"green\", litres: 12 };\n```");
  await page.locator("pre .code-string").waitFor();
  await lena.sends("Paint on Monday");
  await lena.edits("Paint on Monday", "Paint on Tuesday");
  await page.getByRole("button", { name: "(edited)" }).click();
  await page.getByRole("dialog").getByText("Paint on Monday").waitFor();
  await look(page, "edit-history");
  await closeDialog(page);
  await add(page, "Poll");
  await page.getByRole("dialog").getByLabel("Question").fill("Which colour for the door?");
  await page.getByRole("dialog").getByLabel("Answer 1").fill("Green");
  await page.getByRole("dialog").getByLabel("Answer 2").fill("Blue");
  await look(page, "new-poll");
  await page.getByRole("dialog").getByRole("button", { name: "Ask" }).click();
  for (const [person, answer] of [[klara, "Blue"], [tomasz, "Green"], [lena, "Green"]]) {
    if (person === klara) await klara.choose("Garden house");
    await person.page.getByRole("group", { name: "Which colour" }).getByRole("button", { name: answer }).click();
  }
  await page.getByText("3 votes").waitFor();
  await add(page, "Voice message");
  await page.getByRole("group", { name: "Voice message" }).getByText("0:01").waitFor();
  await look(page, "recording");
  await page.getByRole("group", { name: "Voice message" }).getByRole("button", { name: "Send" }).click();
  await page.getByRole("article").filter({ hasText: "Voice message" }).waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room-poll-voice");
  await chooseOf(lena, "Paint on Tuesday", "Pin");
  await page.getByRole("region", { name: "Pinned" }).waitFor();
  await page.getByRole("button", { name: "To the newest" }).click().catch(() => {});
  await page.mouse.move(0, 0);
  await look(page, "pinned");
}

async function add(page, what) {
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menuitem", { name: what }).click();
}

async function closeDialog(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** What opens about a message or while one writes, and threads. */
async function beside({ lena, tomasz, page }, look) {
  const words = "Paint on Tuesday";
  await lena.message(words).scrollIntoViewIfNeeded();
  await lena.message(words).hover();
  await lena.message(words).getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem").first().waitFor();
  await look(page, "message-menu");
  await page.keyboard.press("Escape");
  await lena.message(words).hover();
  await lena.message(words).getByRole("button", { name: "React" }).click();
  await look(page, "react");
  await page.keyboard.press("Escape");
  await page.mouse.click(700, 30);
  await chooseOf(tomasz, "Paint on Tuesday", "Reply in a thread");
  const thread = tomasz.page.getByRole("complementary", { name: "Thread" });
  for (const [person, said] of [[tomasz, "I have two brushes left from last year"], [tomasz, "Could somebody bring rollers?"]]) {
    await thread.getByRole("textbox").fill(said);
    await thread.getByRole("textbox").press("Enter");
    await person.page.getByText(said).first().waitFor();
  }
  await page.getByRole("button", { name: "2 replies" }).click();
  await page.getByRole("complementary", { name: "Thread" }).getByText("rollers").waitFor();
  await look(page, "thread");
  await page.getByRole("complementary", { name: "Thread" }).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "To the newest" }).click().catch(() => {});
  await lena.field().fill("@to");
  await page.getByRole("listbox", { name: "Suggestions" }).waitFor();
  await look(page, "completions");
  await lena.field().fill("");
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  await page.getByLabel("Search", { exact: true }).waitFor();
  await look(page, "emoji");
  await page.keyboard.press("Escape");
  await lena.reply("Could somebody", "").catch(() => {});
  await page.keyboard.press("Escape");
}

async function aboutRoom({ servers, lena, klara, tomasz, page }, look) {
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
  for (const [choice, name] of [["Notifications", "room-notifications"], ["Go to a date", "date"], ["Call", "call"], ["Leave room", "leave"]]) {
    await lena.chooseAbout(choice);
    await dialog.waitFor();
    await look(page, name);
    await closeDialog(page);
  }
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

async function openAdd({ page }, tab) {
  await page.getByRole("button", { name: "New room or chat" }).first().click();
  await page.getByRole("tab", { name: tab }).click();
}

/** Other rooms, spaces, what is found. */
async function elsewhere({ lena, page }, look) {
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

async function own({ lena, page }, look) {
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

/** Who is who; a device that nobody knows; no connection. */
async function trust({ lena, tomasz, page }, look) {
  await page.getByRole("button", { name: "Who can read this" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByRole("button", { name: "Not compared" }).first().waitFor();
  await panel.getByRole("listitem").filter({ hasText: "Tomasz" }).or(panel).getByRole("button", { name: "Not compared" }).last().click();
  const dialog = page.getByRole("dialog");
  await dialog.locator(".number span").first().waitFor();
  await look(page, "safety-number");
  await dialog.getByRole("button", { name: "Compare emoji instead" }).click();
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
  const second = await lena.secondDevice({ viewport: WIDE });
  await second.page.getByText("This device is not approved", { exact: false }).waitFor();
  await second.choose("Garden house");
  await look(second.page, "unapproved");
  await second.page.getByRole("button", { name: "Approve" }).click();
  await second.page.getByRole("dialog").getByLabel("Recovery key").waitFor();
  await look(second.page, "approve");
  await second.close();
  await lena.context.setOffline(true);
  await page.getByText("You’re offline.", { exact: false }).waitFor();
  await lena.say("Written in a tunnel");
  await page.getByText("1 message waits", { exact: false }).waitFor();
  await look(page, "offline");
  await lena.context.setOffline(false);
}
