// A homeserver's process, and requests to it past the client.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";

const PATIENCE_MS = 60_000;

export class Homeserver {
  /** Starts the process in the server's folder, and waits until `path` answers. */
  async begin(program, words, path) {
    const log = openSync(`${this.folder}/log`, "a");
    this.process = spawn(program, words, { cwd: this.folder, stdio: ["ignore", log, log] });
    this.ended = new Promise((resolve) => this.process.once("exit", resolve).once("error", resolve));
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.clientPort}${path}`).catch(() => undefined);
      if (answer?.ok) return;
      if (Date.now() > until || this.process.exitCode !== null) {
        await this.end();
        throw new Error(`see ${this.folder}/log`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async end() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  /** A request past the client. */
  async call(token, method, path, body) {
    const answer = await fetch(`http://127.0.0.1:${this.clientPort}/_matrix/client/v3${path}`, {
      method, headers: { ...(token && { authorization: `Bearer ${token}` }) }, ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  }

  /** Somebody who has no client of ours. */
  async register(username) {
    const body = { username, password: "correct horse battery", auth: { type: "m.login.dummy" } };
    const { user_id: id, access_token: token } = await this.call("", "POST", "/register", body);
    return { id, token };
  }

  /** Logs somebody in past the client; answers the token. */
  async logIn({ name, password }) {
    const body = { type: "m.login.password", identifier: { type: "m.id.user", user: name }, password };
    return (await this.call("", "POST", "/login", body)).access_token;
  }
}
