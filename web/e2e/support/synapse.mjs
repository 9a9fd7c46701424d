// A Synapse, which knows nothing of ours; behind a proxy with a certificate, since pages speak to other servers only so.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Homeserver } from "./homeserver.mjs";
import { Proxy } from "./proxy.mjs";
import { freePort, newFolder } from "./servers.mjs";

const unlimited = "{per_second: 1000000, burst_count: 1000000}";

const configuration = ({ name, url, clientPort }) => `server_name: ${name}
public_baseurl: ${url}/
listeners:
  - port: ${clientPort}
    type: http
    x_forwarded: true
    bind_addresses: [127.0.0.1]
    resources: [{names: [client]}]
database: {name: sqlite3, args: {database: homeserver.db}}
media_store_path: media
signing_key_path: signing.key
pid_file: pid
macaroon_secret_key: only-on-this-machine
form_secret: only-on-this-machine
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
rc_message: ${unlimited}
rc_registration: ${unlimited}
rc_login: {address: ${unlimited}, account: ${unlimited}, failed_attempts: ${unlimited}}
rc_joins: {local: ${unlimited}, remote: ${unlimited}}
rc_invites: {per_room: ${unlimited}, per_user: ${unlimited}, per_issuer: ${unlimited}}
rc_room_creation: ${unlimited}
rc_presence: {per_user: ${unlimited}}
`;

export class Synapse extends Homeserver {
  static async start(what) {
    const server = new Synapse();
    server.folder = newFolder(what);
    server.clientPort = await freePort();
    const [key, cert] = ["key.pem", "cert.pem"].map((file) => readFileSync(join(server.folder, file)));
    server.proxy = await Proxy.start(server.clientPort, { key, cert });
    server.name = `localhost:${server.proxy.port}`;
    server.url = `https://${server.name}`;
    writeFileSync(join(server.folder, "homeserver.yaml"), configuration(server));
    writeFileSync(join(server.folder, "signing.key"), `ed25519 a_test ${randomBytes(32).toString("base64").replace(/=+$/, "")}\n`);
    try {
      await server.run();
    } catch (error) {
      await server.proxy.stop();
      throw error;
    }
    return server;
  }

  /** `more` is added to its configuration. */
  async restart(more) {
    await this.end();
    const file = join(this.folder, "homeserver.yaml");
    writeFileSync(file, readFileSync(file, "utf8") + more);
    await this.run();
  }

  run() {
    const words = ["-m", "synapse.app.homeserver", "--config-path", "homeserver.yaml"];
    return this.begin(process.env.SYNAPSE_PYTHON, words, "/_matrix/client/versions");
  }

  async stop() {
    await this.end();
    await this.proxy.stop();
  }
}
