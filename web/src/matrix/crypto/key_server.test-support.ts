// What a homeserver does with keys, in a few lines, for tests.

import type { JsonObject, OutgoingRequest } from "@e2e/machine";

const ALGORITHM = "org.sealpost.pqxdh.v1";

interface Held {
  devices: Record<string, JsonObject & { device_id: string; signatures: Record<string, JsonObject> }>;
  identities: Record<string, Record<string, JsonObject>>;
  objects: Record<string, Record<string, JsonObject>>;
}

export class KeyServer {
  readonly inbox: Record<string, JsonObject[]> = {};
  readonly #held: Held = { devices: {}, identities: {}, objects: {} };
  readonly #changed: Record<string, Set<string>> = {};

  /** What a sync brings to a user. */
  sync(user: string): { device_lists: { changed: string[] }; to_device: { events: JsonObject[] } } {
    const changed = [...(this.#changed[user] ?? [])];
    const events = this.inbox[user] ?? [];
    this.#changed[user] = new Set();
    this.inbox[user] = [];
    return { device_lists: { changed }, to_device: { events } };
  }

  /** What tells of somebody's identity. */
  identity(user: string): JsonObject {
    return this.#held.identities[user] ?? {};
  }

  answer(user: string, { kind, path, body }: OutgoingRequest): JsonObject {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies are looked at as a server of tests may
    const any = body as any;
    const held = this.#held;
    switch (kind) {
      case "keys_upload": {
        const objects = (held.objects[user] ??= {});
        if (any.device_keys) {
          held.devices[user] = any.device_keys;
          this.#tell(user);
        }
        Object.assign(objects, any.one_time_keys);
        return { one_time_key_counts: { [ALGORITHM]: Object.keys(objects).length } };
      }
      case "signing_keys_upload":
        held.identities[user] = any;
        this.#tell(user);
        return {};
      case "signatures_upload":
        for (const [of, objects] of Object.entries<Record<string, JsonObject>>(any)) {
          for (const [name, object] of Object.entries(objects)) {
            const device = held.devices[of];
            const signatures = (object["signatures"] as Record<string, JsonObject>)[user];
            if (device?.device_id === name) Object.assign((device.signatures[user] ??= {}), signatures);
          }
        }
        this.#tell(user);
        return {};
      case "keys_query":
        return this.#query(Object.keys(any.device_keys));
      case "keys_claim": {
        const claimed: JsonObject = {};
        for (const [of, devices] of Object.entries<JsonObject>(any.one_time_keys)) {
          const [name, object] = Object.entries(held.objects[of] ?? {})[0] ?? [];
          if (!name || !object) continue;
          held.objects[of] = Object.fromEntries(Object.entries(held.objects[of] ?? {}).slice(1));
          claimed[of] = { [Object.keys(devices)[0] ?? ""]: { [name]: object } };
        }
        return { one_time_keys: claimed };
      }
      case "to_device":
        for (const [of, devices] of Object.entries<Record<string, JsonObject>>(any.messages)) {
          for (const content of Object.values(devices)) {
            const type = path.split("/")[5] ?? "";
            (this.inbox[of] ??= []).push({ type, sender: user, content });
          }
        }
        return {};
      case "backup_version":
        return { version: "1" };
      default:
        return {};
    }
  }

  #query(users: string[]): JsonObject {
    const found: Record<string, JsonObject> = {
      device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {},
    };
    for (const of of users) {
      const device = this.#held.devices[of];
      (found["device_keys"] as JsonObject)[of] = device ? { [device.device_id]: device } : {};
      for (const [name, key] of Object.entries(this.#held.identities[of] ?? {})) {
        const kind = found[`${name}s`];
        if (kind) kind[of] = key;
      }
    }
    return found;
  }

  #tell(user: string): void {
    for (const other of Object.keys(this.#held.devices)) {
      (this.#changed[other] ??= new Set()).add(user);
    }
  }
}
