// Encryption as the client uses it: the worker, and the requests that its machine wants sent.

import { SECRETS, type OutgoingRequest, type SyncInput, type Synced, type UserView } from "@e2e/machine";

import type { Api } from "../api/api";
import { isOutside, MatrixError } from "../api/error";
import { authenticate, BY_PASSWORD, Cancelled, type Asked } from "../auth/uia";
import type { JsonObject } from "../json";
import type { Session } from "../session";
import type { VaultKeys } from "../store/vault";
import type { News, Tabs } from "../tabs";
import { Topic } from "../topic";
import { BackupVersion } from "./backup_version";
import { DeviceRemoval } from "./device_removal";
import { HistoryExchange } from "./history_exchange";
import { RemoteParts } from "./remote_parts";
import { Renewal } from "./renewal";
import { SecretStorage } from "./secret_storage";
import type { Host } from "./worker";

/** What is missing until messages can be sealed. `unpublished`: the server wants somebody to say who they are first. */
export type Standing = "loading" | "unavailable" | "starting" | "unpublished" | "unapproved" | "ready";

export class Crypto extends RemoteParts {
  readonly changed = new Topic();
  /** Rooms for which keys came. */
  readonly keysCame = new Topic<string[]>();
  /** More is known of people's devices: what could not be read may be readable. */
  readonly devicesCame = new Topic();
  /** Other devices sent something to this one. */
  readonly lettersCame = new Topic();
  /** Verifications that went on. */
  readonly verifications = new Topic<string[]>();
  /** Who is asked for stages of user-interactive authentication, when a new identity is published. */
  asked: Asked = { ask: async () => undefined, supported: BY_PASSWORD };
  /** The rooms that this device knows, for another one that is approved. */
  knownRooms: () => string[] = () => [];

  readonly #api: Api;
  readonly #userId: string;
  readonly #deviceId: string;
  readonly #vault: VaultKeys;
  readonly #makeWorker: () => Worker;
  readonly #tabs: Tabs | undefined;
  readonly #exchange: HistoryExchange;
  readonly #version: BackupVersion;
  readonly #secrets: SecretStorage;
  readonly #removal: DeviceRemoval;
  readonly #renewal: Renewal;
  #isGuest = false;
  #worker: Worker | undefined;
  #standing: Standing = "loading";
  #flushing: Promise<void> | undefined;
  #again = false;
  /** Nobody was there to say who they are: it is not asked again unless somebody wants that. */
  #isGivenUp = false;

  /** `vault`: keys of the store; `tabs`: who else of this account is open in this browser. */
  constructor(api: Api, { userId, deviceId }: Session, vault: VaultKeys, makeWorker: () => Worker, tabs?: Tabs) {
    super();
    this.#api = api;
    this.#userId = userId;
    this.#deviceId = deviceId;
    this.#vault = vault;
    this.#makeWorker = makeWorker;
    this.#tabs = tabs;
    this.#exchange = new HistoryExchange(api, userId, this, () => this.knownRooms());
    this.#version = new BackupVersion(api, this);
    this.#secrets = new SecretStorage(api, userId, this, this.#version);
    this.#removal = new DeviceRemoval(this, this.#version);
    this.#renewal = new Renewal(api, userId, this);
    tabs?.news.subscribe((news) => this.#hear(news));
  }

  /** Asks the tab that owns the keys instead of a worker. */
  async join(tabs: Tabs): Promise<void> {
    this.#isGuest = true;
    this.reach(tabs.channel, "another tab owns the keys now");
    try {
      this.#become(await this.desk.open());
    } catch (error) {
      this.#become("unavailable");
      throw error;
    }
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Loads the module; may be called again after it failed. */
  async load(): Promise<void> {
    this.#become("loading");
    this.#isGuest = false;
    this.#version.doubt();
    this.leave("loaded anew");
    this.#worker?.terminate();
    try {
      const worker = this.#makeWorker();
      this.#worker = worker;
      const caller = this.reach(worker, "loaded anew");
      worker.addEventListener("error", () => {
        caller.fail(new Error("the worker failed"));
        this.#become("unavailable");
      });
      await caller.part<Host>("host").open(this.#userId, this.#deviceId, this.#vault);
      this.#become("starting");
    } catch (error) {
      this.#become("unavailable");
      throw error;
    }
  }

  stop(): void {
    this.close();
    this.#worker?.terminate();
  }

  /** `areNewsMissed`: changes of devices before it may be unknown to the tab that owns the keys. */
  async pushSync(sync: SyncInput, areNewsMissed = false): Promise<void> {
    if (this.#isGuest) return this.desk.pushSync(sync);
    this.#tell(await this.keys.pushSync(sync, areNewsMissed));
    if (sync.to_device && sync.to_device.events.length > 0) this.lettersCame.emit();
  }

  /** Sends what the machine wants sent, until there is nothing left or the server can't be reached. */
  flush(): Promise<void> {
    if (this.#isGuest) return this.desk.flush();
    this.#again = true;
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** Writes to the backup what waits there for more. Answers the rooms of which keys are not in it all the same. */
  async saveKeys(): Promise<string[]> {
    await this.backup.hurry();
    this.#version.hurry();
    await this.flush();
    return this.backup.unsavedRooms();
  }

  /** Keys of what was said before, to and from own devices that were approved. */
  async #passHistory(): Promise<void> {
    try {
      const { rooms, hasTold } = await this.#exchange.pass();
      if (rooms.length > 0) this.#announce({ news: "keys", rooms });
      if (hasTold) await this.flush();
    } catch (error) {
      // It is tried again after the next sync.
      if (!isOutside(error)) console.error(error);
    }
  }

  /** Finds out where this device stands; makes an identity where there is none. */
  async settle(): Promise<void> {
    if (this.#isGuest) return this.#become(await this.desk.standing());
    await this.keys.track(this.#userId);
    await this.flush();
    let own = await this.keys.user(this.#userId);
    if (own.master_key === null && !own.is_outdated) {
      await this.identity.bootstrap();
      await this.flush();
      own = await this.keys.user(this.#userId);
    }
    if (own.has_changed) await this.#withdraw();
    if (this.#isGivenUp) return this.#become("unpublished");
    if (this.#standing === "starting" && !own.is_outdated) {
      await this.#renewal.resume();
      own = await this.keys.user(this.#userId);
    }
    await this.storeAccountData();
    this.#judge(own);
    if (this.#standing !== "ready") return;
    await this.#secrets.checkRecoveryKey();
    if (await this.#version.look()) await this.flush();
  }

  /** Another own device published an identity: the one from here that was not never is. */
  async #withdraw(): Promise<void> {
    if (!this.#isGivenUp) return;
    const kinds: OutgoingRequest["kind"][] = ["signing_keys_upload", "signatures_upload"];
    const withdrawn = (await this.keys.requests()).filter(({ kind }) => kinds.includes(kind));
    for (const { id } of withdrawn) await this.keys.markRefused(id, 403);
    this.#isGivenUp = false;
  }

  /** Finds out where this device stands, in whichever tab owns the keys. */
  async #settleAll(): Promise<void> {
    if (this.#isGuest) return this.#become(await this.desk.settle());
    await this.settle();
  }

  /** Where this device stands, by what is known of its user. */
  #judge(own: UserView): void {
    const device = own.devices.find((one) => one.device_id === this.#deviceId);
    const isReady = device?.is_vouched_for === true && !own.has_changed && own.pinned_key !== null;
    if (own.is_outdated && !isReady) return;
    this.#become(isReady ? "ready" : "unapproved");
  }

  /** Asks somebody, or the other devices of this person, to compare emoji. That it is waited for is shown here, where it was asked. */
  async requestVerification(userId: string, deviceId?: string): Promise<void> {
    const id = await this.verification.request(userId, deviceId);
    await this.flush();
    this.verifications.emit([id]);
  }

  /** Publishes the identity: `asked` answers the stages that the server wants. Answers whether it did. */
  async publish(asked: Asked): Promise<boolean> {
    const before = this.asked;
    this.asked = asked;
    this.#isGivenUp = false;
    try {
      if (this.#isGuest) await this.#publishHere();
      else {
        await this.flush();
        await this.settle();
      }
    } finally {
      this.asked = before;
    }
    return !this.#isGivenUp;
  }

  /** The tab that owns the keys has nobody to ask: what wants somebody is sent from here. */
  async #publishHere(): Promise<void> {
    for (const request of await this.keys.requests()) {
      if (request.kind === "signing_keys_upload") await this.#send(request);
    }
    if (!this.#isGivenUp) this.#become(await this.desk.published());
  }

  /** As the recovery key that a person typed allows. Answers how many keys of the backup came. */
  async recover(typed: string): Promise<number> {
    if (this.#isGuest) return this.desk.recover(typed);
    const backup = await this.#secrets.recover(typed);
    await this.flush();
    await this.settle();
    return backup ? this.#secrets.restore(backup) : 0;
  }

  /** Makes another recovery key, unless one still waits to be saved. What it opens is stored when this returns. */
  renewRecoveryKey(): Promise<void> {
    return this.#renewal.recoveryKey();
  }

  /** Begins a new identity: `asked` answers the stages that the server wants. */
  async renewIdentity(asked: Asked): Promise<void> {
    await this.#renewal.identity(asked);
    await this.#settleAll();
  }

  /** Logs own devices out: `remove` has the server do it. */
  async removeDevices(deviceIds: string[], remove: () => Promise<unknown>): Promise<void> {
    await this.#removal.remove(deviceIds, remove);
    this.changed.emit();
    await this.flush();
  }

  /** Stores the backup's new keys under the recovery key that a person typed. Errors as of `recover`. */
  async storeNewBackup(typed: string): Promise<void> {
    await this.flush();
    await this.#secrets.storeNewBackup(typed);
  }

  backupVersion(): Promise<JsonObject | undefined> {
    return this.#version.version();
  }

  storeAccountData(): Promise<void> {
    return this.#secrets.storeWaiting();
  }

  async #flush(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (;;) {
        const requests = await this.keys.requests();
        if (requests.length === 0) break;
        let isSent = false;
        for (const request of requests) isSent = (await this.#send(request)) || isSent;
        if (!isSent) break;
      }
      if (this.#standing === "ready" && (await this.#version.look())) this.#again = true;
    }
    void this.#passHistory();
  }

  /** Whether the request was answered for good. */
  async #send({ id, kind, method, path, body }: OutgoingRequest): Promise<boolean> {
    const send = (auth?: JsonObject) =>
      this.#api.http.call(method, path, {
        ...(method !== "GET" && { body: { ...body, ...(auth && { auth }) } }),
      });
    const isGuarded = kind === "signing_keys_upload";
    // Signatures mean nothing before the keys that made them are known.
    if (this.#isGivenUp && (isGuarded || kind === "signatures_upload")) return false;
    try {
      const answer = isGuarded
        ? await authenticate(send, this.asked)
        : await send();
      this.#tell(await this.keys.markSent(id, answer));
      if (kind === "keys_query") {
        // Another own device may have begun another identity.
        await this.#lookAgain();
        this.#announce({ news: "devices" });
      }
      return true;
    } catch (error) {
      const isRefused = error instanceof MatrixError && !error.isTemporary && error.status !== 401;
      if (isRefused && !isGuarded) {
        await this.keys.markRefused(id, error.status);
        if (kind === "backup_keys") this.#version.refused();
        return true;
      }
      // What is behind it goes on. An identity that was refused is known to nobody: it waits to be published.
      if (error instanceof Cancelled || isRefused) this.#isGivenUp = true;
      if (isOutside(error) || error instanceof Cancelled) return false;
      throw error;
    }
  }

  /** What the server told of devices may be of this one. */
  async #lookAgain(): Promise<void> {
    if (this.#standing !== "ready" && this.#standing !== "unpublished") return;
    const own = await this.keys.user(this.#userId);
    if (own.has_changed) await this.#withdraw();
    if (!this.#isGivenUp) this.#judge(own);
    if (this.#standing !== "ready") return;
    // What can't be stated must not hold up the rest.
    const isStated = await this.#removal.state().catch((error: unknown) => console.error(error));
    if (!isStated) return;
    this.#again = true;
    // The backup may have new keys, to be stored.
    this.changed.emit();
  }

  #tell(synced: Synced): void {
    // Another own device removed one, and began a new backup.
    if (synced.secrets.includes(SECRETS.backupMac)) this.#version.doubt();
    if (synced.rooms_with_keys.length > 0) this.#announce({ news: "keys", rooms: synced.rooms_with_keys });
    if (synced.verifications.length > 0) this.#announce({ news: "verifications", ids: synced.verifications });
  }

  /** Here and in other tabs. */
  #announce(news: News): void {
    this.#tabs?.tell(news);
    this.#hear(news);
  }

  #hear(news: News): void {
    if (news.news === "keys") this.keysCame.emit(news.rooms);
    else if (news.news === "devices") this.devicesCame.emit();
    else if (news.news === "verifications") this.verifications.emit(news.ids);
    else if (news.news === "standing" && this.#isGuest) this.#become(news.standing);
  }

  #become(standing: Standing): void {
    if (this.#standing === standing) return;
    this.#standing = standing;
    if (!this.#isGuest) this.#tabs?.tell({ news: "standing", standing });
    this.changed.emit();
  }
}
