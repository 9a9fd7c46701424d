// A provider of single sign-on (CAS) that takes whoever comes for the same person.
import { createServer } from "node:http";

export class Club {
  static async open(name) {
    const club = new Club();
    const welcome = `<r:serviceResponse xmlns:r="http://www.yale.edu/tp/cas"><r:authenticationSuccess><r:user>${name}</r:user></r:authenticationSuccess></r:serviceResponse>`;
    club.server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url, "http://localhost");
      if (pathname !== "/login") return response.writeHead(200, { "content-type": "text/xml" }).end(welcome);
      const back = new URL(searchParams.get("service"));
      back.searchParams.set("ticket", "ST-1");
      response.writeHead(302, { location: back.href }).end();
    });
    await new Promise((resolve) => club.server.listen(0, "127.0.0.1", resolve));
    club.url = `http://localhost:${club.server.address().port}`;
    return club;
  }

  /** A token with which the person is let in past the browser. */
  async loginToken({ clientPort }) {
    const query = new URLSearchParams({ redirectUrl: "http://localhost/", ticket: "ST-2" });
    const answer = await fetch(`http://127.0.0.1:${clientPort}/_matrix/client/v3/login/cas/ticket?${query}`);
    return /loginToken=([^"&]+)/.exec(await answer.text())[1];
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
