// What the client costs: from a warm start to a list of 500 rooms, a frame while 10,000 messages are scrolled, an echo.
//
// `BENCH_SCALE=0.1` for a tenth of both. The server is that of SEALPOST_PROGRAM: a release build, or filling takes long.
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const scale = Number(process.env.BENCH_SCALE ?? 1);
const ROOMS = Math.round(500 * scale);
const MESSAGES = Math.round(10_000 * scale);
const WORDS = "the roof is done and the gutters come on thursday so bring paint brushes and a long ladder".split(" ");

await openBrowser();
const server = await Server.alone("bench");
try {
  const person = await Person.register(server, "lena");
  const { page } = person;
  const token = await server.logIn(person);
  const large = await fill(token);
  await page.reload();
  await page.getByRole("button", { name: "Room 0", exact: false }).first().waitFor();
  // All rooms came, and are kept.
  await page.waitForTimeout(5000);
  report("warm start to a readable room list", await warmStart(page), "ms", 1000);
  await page.evaluate((id) => (location.hash = `#/room/${encodeURIComponent(id)}`), large);
  await person.field().waitFor();
  await loadAll(page);
  report("main thread, a frame of scrolling", await scroll(page), "ms", 1000 / 50);
  report("an echo in the large room", await echo(person), "ms", 50);
} finally {
  await closeBrowser();
  await server.stop();
}

function report(what, value, unit, most) {
  console.log(`${what}: ${value.toFixed(1)} ${unit} (at most ${most} ${unit})${value > most ? "  TOO MUCH" : ""}`);
}

/** The rooms, and a last one with all the messages. */
async function fill(token) {
  for (let at = 0; at < ROOMS; at += 1) {
    const { room_id: id } = await server.call(token, "POST", "/createRoom", { name: `Room ${at}`, preset: "private_chat" });
    await server.call(token, "PUT", `/rooms/${encodeURIComponent(id)}/send/m.room.message/f`, say(at));
  }
  const { room_id: id } = await server.call(token, "POST", "/createRoom", { name: "Large", preset: "private_chat" });
  const at = `/rooms/${encodeURIComponent(id)}/send/m.room.message`;
  const lanes = Array.from({ length: 16 }, (_, lane) => lane);
  await Promise.all(lanes.map(async (lane) => {
    for (let number = lane; number < MESSAGES; number += lanes.length) await server.call(token, "PUT", `${at}/m${number}`, say(number));
  }));
  return id;
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
  await page.addInitScript(() => {
    const look = () => {
      const rooms = document.querySelectorAll("nav button bdi, nav a bdi").length;
      if (rooms >= 10) globalThis.readable = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
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
  await session.send("Performance.enable");
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
  console.log(`  frames: half within ${at(0.5)} ms, 95 % within ${at(0.95)} ms, the longest ${sorted.at(-1).toFixed(1)} ms`);
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
