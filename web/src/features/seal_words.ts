// How a room seals what is said there, in words.

import type { Sealing } from "../matrix/room/room";
import { t } from "../ui/words.svelte";

export function sealWords(sealing: Sealing): string {
  switch (sealing) {
    case "ours":
      return t.sealedRoom;
    case "foreign":
      return t.foreignState;
    case "none":
      return t.unsealedRoom;
  }
}
