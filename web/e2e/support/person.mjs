// Somebody with a browser of their own, who does what people do.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

import { comes } from "./comes.mjs";

const PATIENCE_MS = 45_000;

let browser;

/** `camera`: a file of pictures that cameras see; else they see a pattern. */
export async function openBrowser({ camera } = {}) {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
      // A microphone that hums.
      "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
      ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : [])],
  });
}

export const closeBrowser = () => browser?.close();

/** Closes the browser, and stops the servers that were started. */
export async function endWith(...servers) {
  await closeBrowser();
  await Promise.all(servers.map((server) => server?.stop()));
}

/** Two people, on a server each or on the same. */
export function lenaAndJonas(one, other = one) {
  return Promise.all([Person.register(one, "lena"), Person.register(other, "jonas")]);
}

export class Person {
  /** What the browser complains about. */
  complaints = [];
  /** Errors that nothing caught. */
  crashes = [];
  /** Origins that were asked for anything. */
  origins = new Set();

  /** Opens the page of a server, with storage of its own. */
  static async open(server, options = {}) {
    const person = new Person();
    person.server = server;
    person.context = await browser.newContext({ locale: "en-GB", serviceWorkers: "block", ...options });
    await person.context.route("**/*", (route) => {
      person.origins.add(new URL(route.request().url()).origin);
      return route.continue();
    });
    await person.#openPage();
    return person;
  }

  async #openPage() {
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(PATIENCE_MS);
    this.page.on("console", (message) => {
      const isOurs = !message.text().startsWith("Service Worker registration blocked");
      if (isOurs && ["error", "warning"].includes(message.type())) this.complaints.push(`${message.text()} ${message.location().url}`);
    });
    this.page.on("pageerror", (error) => {
      this.complaints.push(String(error.stack ?? error));
      this.crashes.push(String(error.stack ?? error));
    });
    await this.page.goto(this.server.url);
  }

  /** The same person in another tab of the same browser, at the same place. */
  async tab() {
    const tab = new Person();
    const { server, context, name, id, password, complaints, crashes, origins } = this;
    Object.assign(tab, { server, context, name, id, password, complaints, crashes, origins });
    await tab.#openPage();
    await tab.page.goto(this.page.url());
    return tab;
  }

  /** The tab is gone without a word. */
  async kill() {
    await this.page.close({ runBeforeUnload: false });
  }

  /** The tab's process ends, and the person opens the page again. */
  async crash() {
    const crashed = this.page.waitForEvent("crash");
    const url = this.page.url();
    const session = await this.context.newCDPSession(this.page);
    void session.send("Page.crash").catch(() => {});
    await crashed;
    await this.page.close();
    await this.#openPage();
    await this.page.goto(url);
  }

  /** Makes an account, up to the recovery key. */
  static async fillRegistration(server, name, options) {
    const person = await Person.open(server, options);
    await person.makesAccount(name);
    return person;
  }

  /** On the page that is open. */
  async makesAccount(name) {
    await this.asksForAccount(name);
    await this.page.getByRole("button", { name: "Search or jump to" }).waitFor();
  }

  async asksForAccount(name) {
    const { page, server } = this;
    const password = "correct horse battery";
    Object.assign(this, { name, id: `@${name}:${server.name}`, password });
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByLabel("Password again").fill(password);
    await page.getByRole("button", { name: "Create an account" }).click();
  }

  static async register(server, name, options) {
    const person = await Person.fillRegistration(server, name, options);
    await person.savesKeyLater();
    return person;
  }

  /** Makes an account at a server that another one's page does not name by itself. */
  static async registerAt(server, page, name) {
    const person = await Person.open(page, { ignoreHTTPSErrors: true });
    await person.choosesServer(server);
    await person.makesAccount(name);
    await person.savesKeyLater();
    return person;
  }

  /** Another server than the one of the page that is open. */
  async choosesServer(server) {
    const { page } = this;
    await page.getByRole("button", { name: "another server" }).click();
    await page.getByLabel("Server").fill(server.name);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText(`to ${server.name}`).waitFor();
    this.server = server;
  }

  /** The identity is made and published by then. */
  async savesKeyLater() {
    const { page } = this;
    await page.getByRole("dialog").getByRole("button", { name: "Later" }).click();
    await page.getByText("Your recovery key is not saved yet.").waitFor();
  }

  async startChat(other) {
    const { page } = this;
    const before = page.url();
    await page.getByRole("button", { name: "New room or chat" }).first().click();
    await page.getByLabel("Whom do you want to write to?").fill(other.id);
    await page.getByRole("dialog").getByRole("button", { name: other.id }).first().click();
    await page.waitForURL((url) => url.href !== before);
    await this.field().waitFor();
  }

  async accept(name) {
    const { page } = this;
    await page.getByRole("navigation").getByRole("button", { name }).first().click();
    await page.getByRole("button", { name: "Accept" }).click();
    await page.getByRole("button", { name: "Accept" }).waitFor({ state: "detached" });
    await this.field().waitFor();
  }

  /** Begins a chat, in which the other one then is too, and has read the first words. */
  async meets(other, words) {
    await this.startChat(other);
    await this.sends(words);
    await other.accept(new RegExp(this.name));
    await other.reads(words);
  }

  /** Logs in once more, in another browser. */
  async secondDevice(options) {
    const other = await Person.open(this.server, options);
    Object.assign(other, { name: this.name, id: this.id, password: this.password });
    await other.logIn();
    await other.page.getByRole("button", { name: "Search or jump to" }).waitFor();
    return other;
  }

  async logIn() {
    const { page } = this;
    await page.getByLabel("Name").fill(this.name);
    await page.getByLabel("Password").fill(this.password);
    await page.getByRole("button", { name: "Log in" }).click();
  }

  /** Wipes what is kept here. */
  async logsOut() {
    const { page } = this;
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("main").getByRole("button", { name: "Log out", exact: true }).last().click();
    await page.getByRole("dialog").getByRole("button", { name: /^Log out/ }).click();
    await page.getByRole("button", { name: "Log in", exact: true }).waitFor();
  }

  /** What stands above everything as long as this device is not approved; messages say the same of themselves. */
  unapproved() {
    return this.page.getByRole("status").getByText("This device is not approved", { exact: false });
  }

  /** Gives the recovery key, in the dialog that asks for it. */
  async approve(key) {
    const { page } = this;
    await page.getByRole("dialog").getByLabel("Recovery key").fill(key);
    await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
    await page.getByText("This device is approved.", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
  }

  /** Reads the recovery key, and says that it is kept. */
  async saveKey() {
    const { page } = this;
    await page.getByRole("button", { name: "Save it" }).click();
    const dialog = page.getByRole("dialog");
    // It is there a moment after the dialog.
    const key = await dialog.locator("code").filter({ hasText: /\S/ }).innerText();
    await dialog.getByLabel("Type the last group").fill(key.trim().split(/\s+/).at(-1));
    await dialog.getByRole("button", { name: "I have it" }).click();
    await page.getByText("Your recovery key is not saved yet.").waitFor({ state: "detached" });
    return key;
  }

  async setName(name) {
    const { page } = this;
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Name that others see").fill(name);
    await page.getByRole("button", { name: "Save", exact: true }).first().click();
    await page.getByRole("button", { name: "Saved" }).waitFor();
    await page.getByRole("button", { name: "Back" }).click();
  }

  async startRoom(name, topic, { isSealed = true } = {}) {
    const { page } = this;
    await page.getByRole("button", { name: "New room or chat" }).first().click();
    await page.getByRole("tab", { name: "New room" }).click();
    await page.getByLabel("Name of the room").fill(name);
    if (topic) await page.getByLabel("What it is about").fill(topic);
    if (!isSealed) await page.getByLabel("Seal what is written").uncheck();
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("textbox", { name: `Message ${name}` }).waitFor();
  }

  /** Asks somebody into the room that is open. */
  async invite(other) {
    const { page } = this;
    await page.getByRole("button", { name: "Who can read this" }).click();
    const panel = page.getByRole("complementary");
    await panel.getByLabel("Invite").fill(other.id);
    await panel.getByRole("button", { name: "Invite", exact: true }).click();
    await panel.getByText(other.id).waitFor();
    await panel.getByRole("button", { name: "Close" }).click();
  }

  /** Opens a room of the list. */
  async choose(name) {
    await this.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name }).click();
    await this.page.getByRole("textbox", { name: `Message ${name}` }).waitFor();
  }

  /** Scrolls the room that is open to its newest words: from then on what comes is shown. */
  async goesToTheEnd() {
    const { page } = this;
    await comes(async () => {
      await page.getByRole("log", { name: "Conversation" }).evaluate((log) => {
        const scroller = log.parentElement.parentElement;
        scroller.scrollTop = scroller.scrollHeight;
      });
      return page.getByRole("button", { name: "To the newest" }).count();
    }, 0);
  }

  /** Messages with these words that came back from the server: the row of what is on its way makes place for another. */
  stored(words) {
    return this.page.locator("article[data-id^='$']").filter({ hasText: words });
  }

  message(words) {
    return this.page.getByRole("article").filter({ hasText: words }).last();
  }

  async reply(to, words) {
    await this.message(to).hover();
    await this.message(to).getByRole("button", { name: "Reply" }).click();
    await this.say(words);
  }

  async react(to, key) {
    await this.message(to).hover();
    await this.message(to).getByRole("button", { name: "React" }).click();
    await this.message(to).getByRole("button", { name: key }).first().click();
    await this.message(to).getByRole("button", { name: `${key} 1` }).waitFor();
  }

  async attach(name, buffer) {
    const mimeType = name.endsWith(".png") ? "image/png" : "application/pdf";
    await this.attachAll({ name, mimeType, buffer });
  }

  /** Chooses files, and sends them: where there is one, with words. */
  async attachAll(files, words = "") {
    await this.page.locator("input[type=file]").setInputFiles(files);
    await this.page.getByRole("list", { name: "Files to send" }).waitFor();
    await this.say(words);
  }

  /** Saves a file of a message; what is in it. */
  async download(name) {
    const article = this.page.getByRole("article").filter({ hasText: name });
    await article.waitFor();
    const [download] = await Promise.all([
      this.page.waitForEvent("download"),
      article.getByRole("button", { name: "Download" }).click(),
    ]);
    assert.equal(download.suggestedFilename(), name);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Chooses in the menu of the room that is open. */
  async chooseAbout(name) {
    const { page } = this;
    await page.getByRole("main").getByRole("button", { name: "More", exact: true }).first().click();
    await page.getByRole("menuitem", { name }).click();
  }

  /** Leaves the room that is open. */
  async leave() {
    const { page } = this;
    await this.chooseAbout("Leave room");
    const left = page.getByRole("group", { name: /^You left / });
    await left.getByRole("button", { name: "Do it now" }).click();
    await left.waitFor({ state: "detached" });
  }

  /** Whatever the page asked for, it asked its own server. */
  assertOwnOrigin() {
    assert.deepEqual([...this.origins], [new URL(this.server.url).origin]);
  }

  field() {
    return this.page.getByRole("textbox", { name: /^Message / });
  }

  async say(words) {
    await this.field().fill(words);
    await this.field().press("Enter");
  }

  /** Says something and waits until the server has it. */
  async sends(words) {
    await this.say(words);
    await this.stored(words).getByText(words, { exact: true }).first().waitFor();
  }

  /** Edits what was said last, when it has come back from the server. */
  async edits(words, better) {
    await this.stored(words).last().waitFor();
    await this.field().press("ArrowUp");
    await this.say(better);
  }

  /** Waits until the words stand in the conversation. */
  async reads(words) {
    await this.page.getByRole("article").getByText(words, { exact: true }).first().waitFor();
  }

  close() {
    return this.context.close();
  }
}
