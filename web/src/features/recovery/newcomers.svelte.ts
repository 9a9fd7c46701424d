// New devices of one's own that nobody has approved yet.

import type { UserView } from "@e2e/machine";

import type { Client } from "../../matrix/client";

interface Newcomer {
  deviceId: string;
  name: string;
}

export class Newcomers {
  #all = $state.raw<Newcomer[]>([]);
  /** Those that were looked at. */
  #passed = $state.raw<string[]>([]);
  readonly #client: Client;
  readonly #place: string;

  constructor(client: Client) {
    this.#client = client;
    this.#place = `devices passed ${client.me}`;
    this.#passed = (localStorage.getItem(this.#place) ?? "").split(" ");
  }

  get first(): Newcomer | undefined {
    return this.#all.find(({ deviceId }) => !this.#passed.includes(deviceId));
  }

  /** It is asked of no more here. */
  pass(deviceId: string): void {
    this.#passed = [...this.#passed, deviceId];
    localStorage.setItem(this.#place, this.#passed.join(" "));
  }

  /** Looks at the own devices now and whenever they change; answers what ends that. */
  follow(): () => void {
    const look = () => void this.#look().catch(console.error);
    look();
    return this.#client.crypto.devicesCame.subscribe(look);
  }

  async #look(): Promise<void> {
    this.#all = newcomersIn(await this.#client.crypto.keys.user(this.#client.me));
  }
}

/** Those that could read along if they were approved. */
function newcomersIn({ devices }: UserView): Newcomer[] {
  return devices.flatMap((one) => {
    const isNew = one.is_ours && !one.is_vouched_for && !one.is_removed && one.gone_at === null;
    return isNew ? { deviceId: one.device_id, name: `${one.name ?? ""} ${one.device_id}`.trim() } : [];
  });
}
