// Looking for words. What is sealed is searched here, in what this device has read; what is not, also at the server.

import type { Client } from "../client";
import { object, objects, text } from "../json";
import { isReadable, items } from "../room/messages";
import type { Room } from "../room/room";
import { foundWords, soughtWords } from "./shown";
import { hasWords, wordsOf } from "./words";

export interface Hit {
  roomId: string;
  eventId: string;
  sender: string;
  ts: number;
  body: string;
  /** It stands in clear in a room that is sealed. */
  isClear?: boolean;
}

/** Messages of a room that have all the words, the newest first; edits count with what they say now. */
export function searchRoom(room: Room, term: string): Hit[] {
  const wanted = wordsOf(term);
  if (wanted.length === 0) return [];
  // As the room shows them: whatever may not be put into a message there is not found in it here.
  const found = items(room, "").flatMap((item): Hit[] => {
    if (item.kind !== "message" || item.isRedacted || item.type !== "m.room.message" || !isReadable(item.seal)) return [];
    const { id: eventId, sender, ts, content, seal } = item;
    return hasWords(soughtWords(content), wanted)
      ? [{ roomId: room.id, eventId, sender, ts, body: foundWords(content), isClear: seal === "clear" }]
      : [];
  });
  return found.toReversed();
}

/** In all rooms that are here, or in one; the newest first. */
export function searchHere(rooms: Iterable<Room>, term: string, most: number): Hit[] {
  const found = [...rooms].filter(({ membership }) => membership === "join").flatMap((room) => searchRoom(room, term));
  return found.toSorted((a, b) => b.ts - a.ts).slice(0, most);
}

/** What a server found, and where more of it is. */
export interface There {
  hits: Hit[];
  next: string | undefined;
}

/**
 * At the server, in rooms that are not sealed; `from`: where it said that there is more. Words of sealed rooms are never
 * sent to it.
 */
export async function searchServer(client: Client, term: string, roomIds: string[], from?: string): Promise<There> {
  if (roomIds.length === 0) return { hits: [], next: undefined };
  const body = {
    search_categories: {
      room_events: { search_term: term, keys: ["content.body"], order_by: "recent", filter: { rooms: roomIds, limit: 30 } },
    },
  };
  const query = from === undefined ? {} : { next_batch: from };
  const answer = await client.api.http.call("POST", "/_matrix/client/v3/search", { body, query });
  const found = object(object(answer["search_categories"])?.["room_events"]);
  const hits = objects(found?.["results"]).flatMap(({ result }): Hit[] => {
    const event = object(result);
    const [eventId, roomId, sender] = ["event_id", "room_id", "sender"].map((key) => text(event?.[key]));
    const content = object(event?.["content"]);
    if (!event || !eventId || !roomId || !sender || text(content?.["body"]) === undefined) return [];
    // Of a sealed room the server knows no words: those that it tells are its own.
    if (!roomIds.includes(roomId)) return [];
    return [{ roomId, eventId, sender, ts: Number(event["origin_server_ts"]) || 0, body: foundWords(content) }];
  });
  return { hits, next: text(found?.["next_batch"]) };
}

/**
 * All of them, each message once, the newest first. `here`: of what is in the rooms, which says what it says now; `kept`
 * and `there` where `isHere` does not know better.
 */
export function together(here: Hit[], kept: Hit[], there: Hit[], isHere: (hit: Hit) => boolean): Hit[] {
  const others = [...there, ...kept].filter((hit) => !isHere(hit));
  const all = new Map([...others, ...here].map((hit) => [hit.eventId, hit]));
  return [...all.values()].toSorted((a, b) => b.ts - a.ts);
}
