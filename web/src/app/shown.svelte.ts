// What opens above a room: one thing at a time.

import type { Message } from "../matrix/room/messages";

export class Shown {
  /** Of this it is shown what it said before. */
  versions = $state.raw<Message>();
  /** Of this those who run the server are told. */
  reported = $state.raw<Message>();
  /** Of the message with this id it is shown who answered it with what. */
  reactions = $state<string>();
  /** Of this person it is shown who they are; `thread`: of whose words in it. */
  person = $state.raw<{ userId: string; thread?: string | undefined }>();
}
