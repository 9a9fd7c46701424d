// What the tab that owns the keys does for the others.

import type { Client } from "./client";
import type { Vaults } from "./store/lock";
import type { Desk } from "./tabs";

/** `opened` resolves when the module is there. */
export function deskOf(client: Client, vaults: Vaults, opened: () => Promise<void>): Desk {
  const { crypto, queue } = client;
  return {
    ping: () => true,
    vaults: () => vaults,
    open: () => opened().then(() => crypto.standing),
    standing: () => crypto.standing,
    settle: () => crypto.settle().then(() => crypto.standing),
    published: () => crypto.publish(crypto.asked).then(() => crypto.standing),
    pushSync: (sync) => crypto.pushSync(sync),
    flush: () => crypto.flush(),
    recover: (typed) => client.recover(typed),
    loadMembers: async (roomId) => {
      const room = client.rooms.get(roomId);
      if (room) await client.loadMembers(room);
    },
    echoes: () => queue.all,
    take: (pending) => queue.take(pending),
    retry: (txnId) => queue.retry(txnId),
    cancel: (txnId) => queue.cancel(txnId),
    resume: () => queue.resume(),
  };
}
