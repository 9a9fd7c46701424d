// Between a browser and its server, or between two servers: passes everything on and keeps a copy.
import { existsSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { extname, join } from "node:path";

// For work on the client alone: its files from a folder instead of from the server, with the server's headers.
const FOLDER = process.env.SEALPOST_DIST;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
  ".png": "image/png", ".webmanifest": "application/manifest+json", ".wasm": "application/wasm" };

/** In place of an answer: the connection breaks. */
export const DROP = Symbol("drop");

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

export class Proxy {
  /** All bodies, both ways. */
  copies = [];
  /** What was asked of the server: method, path, headers, body. */
  requests = [];
  /** Bytes of the client's files as they were sent, by their paths. */
  loaded = new Map();
  changes = new Set();
  holds = [];
  /** What a file of the client is instead: from its path and what is in it. */
  edit;

  /** Before the server that listens on `port`; `tls`: a certificate and its key, if the proxy is to speak it. */
  static async start(port, tls) {
    const proxy = new Proxy();
    const pass = (incoming, outgoing) => void proxy.pass(port, incoming, outgoing);
    proxy.server = tls ? createTlsServer(tls, pass) : createServer(pass);
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.port = proxy.server.address().port;
    proxy.url = `http://localhost:${proxy.port}`;
    return proxy;
  }

  /**
   * Changes what the client is told: `change` gets the request and the JSON of the answer, and answers what takes its
   * place; nothing, if it stays; `DROP`, if the connection breaks. Answers what ends that.
   */
  tamper(change) {
    this.changes.add(change);
    return () => this.changes.delete(change);
  }

  /** Keeps the next request that `matches` from the server, until it is released. */
  hold(matches) {
    const hold = { matches };
    hold.reached = new Promise((resolve) => (hold.reach = resolve));
    hold.released = new Promise((resolve) => (hold.release = resolve));
    this.holds.push(hold);
    return hold;
  }

  async pass(port, incoming, outgoing) {
    const path = new URL(incoming.url, "http://localhost").pathname;
    if (FOLDER && !/^\/(_|\.well-known)/.test(path)) return file(path, incoming, outgoing, this);
    const isOurs = path.startsWith("/_");
    const headers = { ...incoming.headers, "accept-encoding": "identity" };
    if (incoming.socket.encrypted) Object.assign(headers, { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" });
    if (!isOurs && !this.edit) headers["accept-encoding"] = incoming.headers["accept-encoding"] ?? "";
    this.copies.push(Buffer.from(`${incoming.method} ${decodeURIComponent(incoming.url)}\n`));
    const body = await whole(incoming).catch(() => undefined);
    if (!body) return outgoing.destroy();
    this.copies.push(body);
    const asked = { method: incoming.method, path, headers: incoming.headers, body: body.toString() };
    if (isOurs) this.requests.push(asked);
    const at = this.holds.findIndex(({ matches }) => matches(asked));
    for (const hold of at === -1 ? [] : this.holds.splice(at, 1)) {
      hold.reach();
      await hold.released;
      if (outgoing.destroyed) return;
    }
    const onward = request(
      { host: "127.0.0.1", port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        answer.on("error", () => outgoing.destroy());
        answer.on("data", (part) => {
          if (isOurs) this.copies.push(part);
          else this.loaded.set(path, (this.loaded.get(path) ?? 0) + part.length);
        });
        const isJson = answer.headers["content-type"]?.startsWith("application/json");
        if (isOurs && isJson && this.changes.size > 0) return this.#tampered(asked, answer, outgoing);
        if (!isOurs && this.edit) return void this.#edited(path, answer, outgoing);
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    onward.end(body);
  }

  async #edited(path, answer, outgoing) {
    const body = await whole(answer).catch(() => undefined);
    if (!body) return outgoing.destroy();
    instead(this.edit(path, body), answer, outgoing);
  }

  async #tampered(asked, answer, outgoing) {
    const body = await whole(answer).catch(() => undefined);
    if (!body) return outgoing.destroy();
    let told = JSON.parse(body);
    for (const change of this.changes) told = (await change(asked, told, answer.statusCode)) ?? told;
    if (told === DROP) return outgoing.destroy();
    instead(typeof told === "string" ? told : JSON.stringify(told), answer, outgoing);
  }

  get traffic() {
    return Buffer.concat(this.copies);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Answers as the server did, with another body. */
function instead(body, answer, outgoing) {
  const headers = { ...answer.headers };
  delete headers["content-length"];
  delete headers["transfer-encoding"];
  outgoing.writeHead(answer.statusCode, headers);
  outgoing.end(body);
}

function policy() {
  const source = readFileSync(new URL("../../../homeserver/src/http/assets.rs", import.meta.url), "utf8");
  return /const POLICY: &str = "([^"]*)"/.exec(source)[1].replace(/\\\n\s*/g, "");
}

function file(path, incoming, outgoing, { edit, loaded }) {
  const name = join(FOLDER, path === "/" ? "index.html" : path);
  if (!existsSync(name)) return outgoing.writeHead(404).end();
  const isCompressed = !edit && /\bbr\b/.test(incoming.headers["accept-encoding"] ?? "") && existsSync(`${name}.br`);
  const bytes = readFileSync(isCompressed ? `${name}.br` : name);
  const sent = edit ? edit(path, bytes) : bytes;
  loaded.set(path, sent.length);
  outgoing.writeHead(200, {
    "content-type": TYPES[extname(name)] ?? "application/octet-stream",
    "content-security-policy": policy(),
    "cross-origin-opener-policy": "same-origin-allow-popups",
    "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    ...(isCompressed && { "content-encoding": "br" }),
  });
  outgoing.end(sent);
}
