// Through every main screen and panel of the client, as people come to them. What is done at each is the caller's.
import { twoServers } from "./servers.mjs";
import { beside, conversation, media } from "./tour/conversation.mjs";
import { elsewhere, own } from "./tour/elsewhere.mjs";
import { neighbours, strangers } from "./tour/people.mjs";
import { aboutRoom } from "./tour/room.mjs";
import { closing, devices, failures, trust } from "./tour/trust.mjs";

/** Calls `look(page, name)` at every screen; each waits for what it shows, and is left as it was come to. */
export async function tour(look) {
  const servers = await twoServers("tour");
  try {
    await strangers(servers[0], look);
    const people = await neighbours(servers, look);
    await conversation(people, look);
    await media(people, look);
    await beside(people, look);
    await aboutRoom(people, look);
    await elsewhere(people, look);
    await own(people, look);
    await trust(people, look);
    await devices(people, look);
    await failures(people, look);
    await closing(people, look);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
