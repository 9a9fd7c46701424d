// Between a browser and its server: passes everything on and keeps a copy.
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join } from "node:path";

// For work on the client alone: its files from a folder instead of from the server, with the server's headers.
const FOLDER = process.env.SEALPOST_DIST;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
  ".wasm": "application/wasm" };

export class Proxy {
  /** All bodies, both ways. */
  copies = [];

  static async start(port) {
    const proxy = new Proxy();
    proxy.server = createServer((incoming, outgoing) => proxy.pass(port, incoming, outgoing));
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://localhost:${proxy.server.address().port}`;
    return proxy;
  }

  pass(port, incoming, outgoing) {
    const path = new URL(incoming.url, "http://localhost").pathname;
    if (FOLDER && !/^\/(_|\.well-known)/.test(path)) return file(path, outgoing);
    const headers = { ...incoming.headers, "accept-encoding": "identity" };
    if (!path.startsWith("/_")) headers["accept-encoding"] = incoming.headers["accept-encoding"] ?? "";
    const onward = request(
      { host: "127.0.0.1", port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.on("data", (part) => path.startsWith("/_") && this.copies.push(part));
        answer.on("error", () => outgoing.destroy());
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    this.copies.push(Buffer.from(`${incoming.method} ${decodeURIComponent(incoming.url)}\n`));
    incoming.on("data", (part) => this.copies.push(part));
    incoming.pipe(onward);
  }

  get traffic() {
    return Buffer.concat(this.copies);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function policy() {
  const source = readFileSync(new URL("../../../homeserver/src/http/assets.rs", import.meta.url), "utf8");
  return /const POLICY: &str = "([^"]*)"/.exec(source)[1].replace(/\\\n\s*/g, "");
}

function file(path, outgoing) {
  const name = join(FOLDER, path === "/" ? "index.html" : path);
  if (!existsSync(name)) return outgoing.writeHead(404).end();
  outgoing.writeHead(200, {
    "content-type": TYPES[extname(name)] ?? "application/octet-stream",
    "content-security-policy": policy(),
  });
  createReadStream(name).pipe(outgoing);
}
