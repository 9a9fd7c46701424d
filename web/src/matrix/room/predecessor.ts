// The room whose place another took.

import { object, text, type JsonObject } from "../json";

/** Of the content of `m.room.create`. */
export function predecessorOf(create: JsonObject | undefined): string | undefined {
  return text(object(create?.["predecessor"])?.["room_id"]);
}
