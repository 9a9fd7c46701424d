// What the client costs: bytes of the first load, a warm start to a list of 500 rooms, a frame while 10,000 messages are
// scrolled, an echo. A room of 3,000 messages is measured beside: what grows with the room shows in the ratio, also where
// the machine is busy.
//
// `BENCH_SCALE=0.1` for a tenth of rooms and messages. The server is that of SEALPOST_PROGRAM: a release build, or filling
// takes long.
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const scale = Number(process.env.BENCH_SCALE ?? 1);
const ROOMS = Math.round(500 * scale);
const MESSAGES = { small: Math.round(3000 * scale), large: Math.round(10_000 * scale) };
const WORDS = "the roof is done and the gutters come on thursday so bring paint brushes and a long ladder".split(" ");
const KIB = 1024;
const rows = [];

await openBrowser();
const server = await Server.alone("bench");
try {
  await firstLoad();
  const person = await Person.register(server, "lena");
  const { page } = person;
  const token = await server.logIn(person);
  await person.context.setOffline(true);
  const rooms = await fill(token);
  await person.context.setOffline(false);
  await page.reload();
  await page.getByRole("button", { name: "Large", exact: false }).first().waitFor();
  // All rooms came, and are kept.
  await page.waitForFunction((count) => document.querySelectorAll("nav li").length > count, ROOMS);
  await page.waitForTimeout(2000);
  add(`warm start to a list of ${ROOMS} rooms`, "ms", 1000, await warmStart(page));
  const measured = {};
  for (const [name, id] of Object.entries(rooms)) measured[name] = await inRoom(person, id);
  const { small, large } = measured;
  const count = MESSAGES.large.toLocaleString("en");
  add(`main thread, a frame of scrolling ${count} messages`, "ms", 1000 / 50, large.scroll, small.scroll);
  add(`echo of a message below ${count}`, "ms", 50, large.echo, small.echo);
  table();
} finally {
  await closeBrowser();
  await server.stop();
}

function add(what, unit, aim, value, small) {
  rows.push([what, `${value.toFixed(1)} ${unit}`, `${aim} ${unit}`, small === undefined ? "" : small.toFixed(1),
    small === undefined ? "" : (value / small).toFixed(1), value > aim ? "above the aim" : ""]);
}

function table() {
  const head = ["", "measured", "aim", `with ${MESSAGES.small.toLocaleString("en")}`, "ratio", ""];
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at].length)));
  console.log();
  for (const row of [head, ...rows]) {
    console.log(row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join("  ").trimEnd());
  }
  if (scale !== 1) console.log(`with ${scale} times the rooms and messages: not the numbers of a whole run`);
}

/** What a first visit loads, as it is sent: for the login page, and then for the rooms of somebody new. */
async function firstLoad() {
  const { loaded } = server.proxy;
  const visitor = await Person.register(server, "visitor");
  const sum = (isIn) => [...loaded].filter(([path]) => isIn(path)).reduce((all, [, bytes]) => all + bytes, 0) / KIB;
  // Workers are not waited for. How much of it is the login page, the build says and checks: the rest is fetched beside.
  const isLater = (path) => /\/(worker|extra_worker|sealpost_e2e)[^/]*$/.test(path);
  add("first load: JavaScript of the page", "KiB", 260, sum((path) => path.endsWith(".js") && !isLater(path)));
  add("first load: encryption module", "KiB", 250, sum((path) => path.endsWith(".wasm")));
  add("first load: everything", "KiB", 560, sum(() => true));
  await visitor.close();
}

async function inRoom(person, id) {
  const { page } = person;
  await page.evaluate((id) => (location.hash = `#/room/${encodeURIComponent(id)}`), id);
  await person.field().waitFor();
  await loadAll(page);
  return { scroll: await scroll(page), echo: await echo(person) };
}

/** The rooms, and two with many messages. */
async function fill(token) {
  const create = async (name) => (await server.call(token, "POST", "/createRoom", { name, preset: "private_chat" })).room_id;
  const send = (id, number) =>
    server.call(token, "PUT", `/rooms/${encodeURIComponent(id)}/send/m.room.message/m${number}`, say(number));
  for (let at = 0; at < ROOMS; at += 1) await send(await create(`Room ${at}`), at);
  const [small, large] = [await create("Small"), await create("Large")];
  const lanes = Array.from({ length: 16 }, (_, lane) => lane);
  for (const [id, count] of [[small, MESSAGES.small], [large, MESSAGES.large]]) {
    await Promise.all(lanes.map(async (lane) => {
      for (let number = lane; number < count; number += lanes.length) await send(id, number);
    }));
  }
  return { small, large };
}

function say(number) {
  const body = WORDS.slice(0, 2 + (number * 7) % (WORDS.length - 2)).join(" ").repeat(1 + (number % 5 === 0 ? 3 : 0));
  const isFormatted = number % 3 === 0;
  return {
    msgtype: "m.text", body,
    ...(isFormatted && { format: "org.matrix.custom.html", formatted_body: `<p><strong>${number}</strong> ${body}</p>` }),
  };
}

async function warmStart(page) {
  await page.addInitScript((enough) => {
    const look = () => {
      const rooms = document.querySelectorAll("nav button bdi, nav a bdi").length;
      if (rooms >= enough) globalThis.readable = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, Math.min(ROOMS, 10));
  const times = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await page.evaluate(() => (location.hash = "#/"));
    await page.reload();
    await page.waitForFunction(() => globalThis.readable !== undefined);
    times.push(await page.evaluate(() => globalThis.readable));
  }
  return times.toSorted((a, b) => a - b)[2];
}

/** Scrolls to where it began, so that all of it is there. */
async function loadAll(page) {
  await page.evaluate(async () => {
    const log = document.querySelector("[role=log]");
    const scroller = log.parentElement.parentElement;
    while (!log.querySelector("[data-row=begin]")) {
      scroller.scrollTop = 0;
      await new Promise((done) => setTimeout(done, 10));
    }
  });
}

/** Through all messages and back at the pace of a thumb; main-thread milliseconds a frame. */
async function scroll(page) {
  const session = await page.context().newCDPSession(page);
  // Time that the thread had, not time that passed: other programs don't count.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  const before = await spent();
  const frames = await page.evaluate(async () => {
    const scroller = document.querySelector("[role=log]").parentElement.parentElement;
    const gaps = [];
    let last = performance.now();
    for (let frame = 0; frame < 900; frame += 1) {
      scroller.scrollTop += frame < 600 ? 160 : -300;
      await new Promise((done) => requestAnimationFrame(done));
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return gaps;
  });
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.floor(sorted.length * part)].toFixed(1);
  console.log(`frames of scrolling: half within ${at(0.5)} ms, 95 % within ${at(0.95)} ms, the longest ${sorted.at(-1).toFixed(1)} ms`);
  return ((await spent()) - before) / frames.length;
}

async function echo(person) {
  const { page } = person;
  const times = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const words = `echo number ${attempt}`;
    await person.field().fill(words);
    await page.evaluate((words) => {
      document.addEventListener("keydown", () => {
        const begin = performance.now();
        const look = () => {
          const last = [...document.querySelectorAll("[role=log] article")].at(-1);
          if (last?.textContent.includes(words)) globalThis.echoed = performance.now() - begin;
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      }, { once: true, capture: true });
      globalThis.echoed = undefined;
    }, words);
    await person.field().press("Enter");
    await page.waitForFunction(() => globalThis.echoed !== undefined);
    times.push(await page.evaluate(() => globalThis.echoed));
    await page.waitForTimeout(300);
  }
  return times.toSorted((a, b) => a - b)[2];
}
