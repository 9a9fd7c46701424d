// Sound and films in clear: played as they come, through the worker; whole, where that does not go.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const AT = "/_matrix/client/v1/media/download/";
const BYTES_A_SECOND = 192_000;

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("playing");
  lena = await Person.register(server, "lena", { serviceWorkers: "allow" });
  await lena.startRoom("Concert", "", { isSealed: false });
  await lena.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
});

after(() => endWith(server));

/** Two channels of silence. */
function wav(seconds) {
  const size = seconds * BYTES_A_SECOND;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + size, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(48_000, 24);
  head.writeUInt32LE(BYTES_A_SECOND, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(size, 40);
  return Buffer.concat([head, Buffer.alloc(size)]);
}

const downloads = () => server.proxy.requests.filter(({ path }) => path.startsWith(AT));

test("a long sound plays before it is here, and is sought through, with the token in a header alone", async () => {
  const seconds = 75;
  await lena.attachAll({ name: "long.wav", mimeType: "audio/wav", buffer: wav(seconds) });
  await lena.stored("long.wav").getByRole("button", { name: "Play" }).click();
  await lena.page.waitForFunction(() => document.querySelector("audio")?.currentTime > 0);
  const source = await lena.page.evaluate(() => document.querySelector("audio").src);
  assert.ok(source.startsWith(server.url + AT) && !source.includes("?"), source);
  const { x, y, width, height } = await lena.stored("long.wav").getByRole("slider").boundingBox();
  await lena.page.mouse.click(x + width * 0.9, y + height / 2);
  await lena.page.waitForFunction((from) => {
    const { currentTime, seeking } = document.querySelector("audio");
    return !seeking && currentTime > from;
  }, seconds * 0.85);
  const asked = downloads();
  const begins = asked.map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range)?.[1]));
  assert.ok(begins.includes(0) && Math.max(...begins) > seconds * 0.5 * BYTES_A_SECOND, String(begins));
  for (const { headers } of asked) assert.match(headers.authorization, /^Bearer ./);
  assert.ok(!server.proxy.traffic.includes("access_token="));
  await lena.stored("long.wav").getByRole("button", { name: "Pause" }).click();
});

test("what a server does not call a sound is fetched whole, and played then", async () => {
  const token = await server.logIn(lena);
  const url = await lena.page.evaluate(async ([token, bytes]) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" };
    const response = await fetch("/_matrix/media/v3/upload", { method: "POST", headers, body: new Uint8Array(bytes) });
    return (await response.json()).content_uri;
  }, [token, [...wav(1)]]);
  const [{ path }] = server.proxy.requests.filter(({ path }) => path.includes("/send/m.room.message/"));
  const roomId = path.split("/rooms/")[1].split("/")[0];
  const content = { msgtype: "m.audio", body: "unnamed.wav", url, info: { mimetype: "audio/wav" } };
  await server.call(token, "PUT", `/rooms/${roomId}/send/m.room.message/unnamed`, content);
  await lena.stored("unnamed.wav").getByRole("button", { name: "Play" }).click();
  const audio = () => lena.page.evaluate(() => Array.from(document.querySelectorAll("audio"), ({ src }) => src.startsWith("blob:")));
  await comes(audio, [false, true]);
  await lena.page.waitForFunction(() => document.querySelectorAll("audio")[1].currentTime > 0);
});

test("a film in clear plays as it comes too", async () => {
  const film = await lena.page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm" });
    const recorded = new Promise((resolve) => (recorder.ondataavailable = ({ data }) => resolve(data)));
    recorder.start();
    for (let at = 0; at < 20; at += 1) {
      context.fillRect(at * 8, 0, 8, 120);
      await new Promise(requestAnimationFrame);
    }
    recorder.stop();
    return Array.from(new Uint8Array(await (await recorded).arrayBuffer()));
  });
  // Another browser tab than the one that sent it has nothing of it.
  await lena.attachAll({ name: "dance.webm", mimeType: "video/webm", buffer: Buffer.from(film) });
  await lena.page.getByRole("button", { name: "Play the video: dance.webm" }).waitFor();
  await lena.sends("that was the dance");
  const other = await lena.tab();
  await other.reads("that was the dance");
  await other.page.getByRole("button", { name: "Play the video: dance.webm" }).click();
  const source = await other.page.waitForFunction(() => {
    const video = document.querySelector("video");
    return video?.readyState >= 2 && video.src;
  });
  assert.ok((await source.jsonValue()).startsWith(server.url + AT));
  assert.deepEqual(lena.crashes, []);
  lena.assertOwnOrigin();
});
