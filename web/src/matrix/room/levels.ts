// Changes of who may do what: one after the other, each of the newest that the server has. Else one would undo another.

import { setState, stateContent } from "../api/rooms";
import type { Http } from "../api/http";
import type { JsonObject } from "../json";
import { presentLevels } from "./power";
import type { Room } from "./room";

const TYPE = "m.room.power_levels";

const writing = new WeakMap<Room, Promise<void>>();

export function changeLevels(http: Http, room: Room, change: (levels: JsonObject) => JsonObject): Promise<void> {
  const before = writing.get(room) ?? Promise.resolve();
  const done = before.catch(() => {}).then(async () => {
    const levels = (await stateContent(http, room.id, TYPE)) ?? presentLevels(room);
    await setState(http, room.id, TYPE, change(levels));
  });
  writing.set(room, done);
  return done;
}
