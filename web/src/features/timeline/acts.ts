// What can be done with a message beyond its place in the timeline: the view of the room does it.

import type { Message } from "../../matrix/room/messages";
import type { MatrixLink } from "../../matrix/uri";

export interface Acts {
  reply(message: Message): void;
  edit(message: Message): void;
  /** Looks at whose key stops a message. */
  look(): void;
  /** Brings an event into view, wherever it is. */
  jump(eventId: string): void;
  /** Opens the thread that a message begins. */
  thread(rootId: string): void;
  /** Shows who somebody is; `thread`: of whose words in it. */
  person(userId: string, thread?: string): void;
  /** Shows who answered a message with what. */
  reactions(message: Message): void;
  /** Goes where a link leads: a room, a message, a person. */
  follow(link: MatrixLink): void;
  /** Takes messages away for everybody; for a moment that can be undone. */
  remove(messages: readonly Message[]): void;
  /** Pins nothing to the room any more, as above. */
  unpin(eventId: string): void;
  history(message: Message): void;
  /** Tells those who run the server of it. */
  report(message: Message): void;
}
