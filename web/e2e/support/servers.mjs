// Two Sealposts that federate on loopback, each behind a proxy that writes down what passes.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Homeserver } from "./homeserver.mjs";
import { Proxy } from "./proxy.mjs";

const configuration = ({ port, clientPort, federationPort, url, registration }) => `server_name = "localhost:${port}"
public_base_url = "${url}"

[[listeners]]
bind = "127.0.0.1"
port = ${clientPort}
serves = ["client"]

[[listeners]]
bind = "127.0.0.1"
port = ${federationPort}
serves = ["federation"]

[registration]
enabled = true
${registration}

[rate_limits]
enabled = false

[password_hashing]
memory_kib = 8
iterations = 1
parallelism = 1

[federation]
ca_files = ["../ca.pem"]
allow_private_addresses = true
`;

export function freePort() {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/** An authority and a certificate for `localhost`. */
function certificates(folder) {
  const openssl = (...words) => execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1",
    "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE");
  openssl("req", ...key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost");
  writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost\n");
  openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "cert.pem",
    "-days", "1", "-extfile", "names");
}

/** A new folder for what is tried, with certificates. */
export function newFolder(what) {
  const folder = mkdtempSync(join(process.env.SEALPOST_FOLDER ?? tmpdir(), `${what}-`));
  certificates(folder);
  return folder;
}

export class Server extends Homeserver {
  /** One that nobody else has to know. `registration`: more of that part of its configuration. */
  static async alone(what, registration) {
    return Server.start(newFolder(what), "one", registration);
  }

  /** Starts a server in a folder of its own below `folder`. */
  static async start(folder, name, registration = "") {
    // Between finding a free port and taking it, another process may have taken it.
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await Server.#try(folder, name, registration);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  static async #try(folder, name, registration) {
    const server = new Server();
    server.registration = registration;
    server.folder = join(folder, name);
    mkdirSync(server.folder, { recursive: true });
    [server.federationPort, server.clientPort] = [await freePort(), await freePort()];
    server.proxy = await Proxy.start(server.clientPort);
    const [key, cert] = ["key.pem", "cert.pem"].map((file) => readFileSync(join(folder, file)));
    server.federation = await Proxy.start(server.federationPort, { key, cert });
    server.port = server.federation.port;
    server.url = server.proxy.url;
    server.name = `localhost:${server.port}`;
    writeFileSync(join(server.folder, "sealpost.toml"), configuration(server));
    try {
      await server.run();
    } catch (error) {
      await Promise.all([server.proxy.stop(), server.federation.stop()]);
      throw error;
    }
    return server;
  }

  run() {
    return this.begin(process.env.SEALPOST_PROGRAM, ["--config", "sealpost.toml"], "/health");
  }

  /** Sends contents into a room, one after the other; answers their ids. */
  async fill(token, roomId, contents) {
    const ids = [];
    for (const [at, content] of contents.entries()) {
      const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/f${at}`;
      ids.push((await this.call(token, "PUT", path, content)).event_id);
    }
    return ids;
  }

  async stop() {
    await this.end();
    await Promise.all([this.proxy.stop(), this.federation.stop()]);
  }
}

/** Starts one after the other. When one fails, those before it end: else they would keep the process alive for ever. */
export async function startAll(...starts) {
  const started = [];
  try {
    for (const start of starts) started.push(await start());
  } catch (error) {
    await Promise.all(started.map((server) => server.stop()));
    throw error;
  }
  return started;
}

/** Two that know each other. */
export async function twoServers(what) {
  const folder = newFolder(what);
  return startAll(...["one", "two"].map((name) => () => Server.start(folder, name)));
}
