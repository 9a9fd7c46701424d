// A logged-in person: everything below, wired.
//
//   sync ──► crypto (keys, to-device) ──► rooms ──► crypto (open) ──► store ──► `changed`
//   queue ──► crypto (seal) ──► server ──► sync

import { Api } from "./api/api";
import { isOutside } from "./api/error";
import { wait, type Http } from "./api/http";
import { forget } from "./api/rooms";
import type { Asked } from "./auth/uia";
import { CodeReader } from "./crypto/codes";
import { Crypto } from "./crypto/crypto";
import { Extra } from "./crypto/extra";
import { PinnedRooms } from "./crypto/pinned_rooms";
import { expose } from "./crypto/remote";
import { deskOf } from "./desk";
import { DirectChats } from "./direct_chats";
import { Forgetting } from "./forgetting";
import { Incoming } from "./incoming";
import { OthersPresence } from "./presence/others";
import { HERE, hereOf, OwnPresence } from "./presence/own";
import { object, type JsonObject } from "./json";
import { KnownRooms } from "./known_rooms";
import { Members } from "./members";
import { NewRooms } from "./new_rooms";
import { Older } from "./older";
import { isSpoken } from "./room/messages";
import { KnownReaders } from "./room/known_readers";
import { isMet } from "./room/met";
import { displayName, profile } from "./room/names";
import { arePublic, Reading, RECEIPTS } from "./room/reading";
import { CatchingUp } from "./room/catching_up";
import type { Room } from "./room/room";
import { SealedRooms } from "./sealed_rooms";
import { Delivery } from "./send/delivery";
import { OutgoingFiles } from "./send/outgoing";
import { SendQueue } from "./send/queue";
import type { Session } from "./session";
import type { DataStore } from "./store/data";
import type { Vaults } from "./store/lock";
import { Drafts } from "./store/drafts";
import { SyncEngine } from "./sync/engine";
import { sourceOf } from "./sync/source";
import type { News, Tabs } from "./tabs";
import { Topic } from "./topic";

/** Makes the workers in which the two encryption modules run, and the one that reads codes. */
export interface Workers {
  machine: () => Worker;
  extra: () => Worker;
  codes: () => Worker;
}

export class Client {
  readonly syncChanged = new Topic();
  readonly session: Session;
  readonly api: Api;
  readonly crypto: Crypto;
  readonly extra: Extra;
  /** For who scans a code: to be stopped after that. */
  readonly makeCodeReader: () => CodeReader;
  readonly queue: SendQueue;
  readonly outgoing: OutgoingFiles;
  readonly drafts: Drafts;
  readonly known: KnownReaders;
  readonly older: Older;
  readonly presence: OthersPresence;
  readonly here: OwnPresence;
  readonly #reading: Reading;
  accountData = new Map<string, JsonObject>();
  /** The room that the person looks at in another tab. */
  lookedAtElsewhere: string | undefined;

  readonly #store: DataStore;
  readonly #rooms: KnownRooms;
  readonly #directs: DirectChats;
  readonly #newRooms: NewRooms;
  readonly #members: Members;
  readonly #vaults: Vaults;
  readonly #tabs: Tabs | undefined;
  readonly #pinned: PinnedRooms;
  readonly #delivery: Delivery;
  readonly #sealed: SealedRooms;
  readonly #catchingUp: CatchingUp;
  readonly #incoming: Incoming;
  readonly #forgetting: Forgetting;
  /** Another tab owns the keys, and sends. */
  #isGuest = false;
  #engine: SyncEngine | undefined;
  #begun: (loaded: Promise<void>) => void = () => {};
  /** Other tabs may ask before anything is begun. */
  #loaded = new Promise<void>((resolve) => (this.#begun = resolve));
  #looked: string | undefined;

  /** `tabs`: who else of this account is open in this browser. */
  constructor(session: Session, http: Http, store: DataStore, vaults: Vaults, workers: Workers, tabs?: Tabs) {
    // Told of where it is waited for.
    this.#loaded.catch(() => {});
    this.session = session;
    this.api = new Api(http, session.userId);
    this.#store = store;
    this.#pinned = new PinnedRooms(store);
    const isGuest = () => this.#isGuest;
    const rooms = (this.#rooms = new KnownRooms(store, this.#pinned, isGuest));
    this.#vaults = vaults;
    this.drafts = new Drafts(store);
    this.crypto = new Crypto(this.api, session, vaults.keys, workers.machine, tabs);
    this.crypto.knownRooms = () => [...this.rooms.keys()];
    this.extra = new Extra(workers.extra);
    this.makeCodeReader = () => new CodeReader(workers.codes());
    this.#tabs = tabs;
    this.known = new KnownReaders(store);
    this.presence = new OthersPresence(http, (userId) => isMet(this.rooms.values(), userId));
    this.#reading = new Reading(this.api, session.userId, () => !arePublic(this.accountData.get(RECEIPTS)));
    this.here = new OwnPresence(http, session.userId, () => hereOf(this.accountData.get(HERE)));
    this.here.isOffChanged.subscribe(() => this.presence.switchOff());
    const delivery = (this.#delivery = new Delivery(this.api, this.crypto, session.userId, {
      find: (roomId) => rooms.find(roomId),
      room: (roomId) => rooms.room(roomId),
      loaded: () => this.#loaded,
      hasModule: () => this.#hasModule(),
      tellMissed: (room) => this.#sealed.tellMissed(room),
      arePinsKnown: () => this.#pinned.areKnown,
    }));
    this.#sealed = new SealedRooms(this.crypto, this.rooms, {
      isGuest,
      hasModule: () => this.#hasModule(),
      changed: (room) => rooms.tell(room),
      opened: () => this.#maybeReached(),
    });
    this.older = new Older(this.api, this.#sealed, (room) => rooms.keep([room]).then(() => rooms.tell(room)));
    this.#directs = new DirectChats(this.api, session.userId, rooms, () => this.accountData);
    this.#newRooms = new NewRooms(this.api, rooms, {
      me: session.userId,
      directs: this.#directs,
      known: this.known,
      tellMade: (roomId) => this.#isGuest && this.#tabs?.tell({ news: "made", roomId }),
      stateOurs: (roomId) => delivery.stateOurs(roomId),
    });
    this.#members = new Members(this.api, this.crypto, rooms, this.known, { isGuest, loaded: () => this.#loaded });
    this.#catchingUp = new CatchingUp(session.userId, (room, gap) => this.older.fill(room, gap));
    const circumstances = (roomId: string) => {
      const room = this.rooms.get(roomId);
      return { isSealed: room?.sealing === "ours", shown: room && this.known.shown(room) };
    };
    this.queue = new SendQueue(store, (pending) => delivery.send(pending), wait, circumstances, isSpoken);
    this.outgoing = new OutgoingFiles(store.files, session.userId);
    this.#incoming = new Incoming(
      {
        me: session.userId,
        store,
        rooms,
        crypto: this.crypto,
        sealed: this.#sealed,
        members: this.#members,
        queue: this.queue,
        presence: this.presence,
        here: this.here,
        catchingUp: this.#catchingUp,
      },
      {
        isGuest,
        hasModule: () => this.#hasModule(),
        accountData: () => this.accountData,
        looked: () => this.#looked,
        be: (state) => this.#engine?.be(state),
      },
    );
    this.#forgetting = new Forgetting(store, this, () => this.#hasModule());
    this.queue.done.subscribe((pending) => void Promise.all([delivery.done(pending), this.here.spoke()]));
    // What waited behind it goes once nothing of it is left.
    this.queue.givenUp.subscribe((pending) => void delivery.giveUp(pending).then(() => this.queue.resume()));
    this.crypto.lettersCame.subscribe(() => {
      this.#maybeReached();
      void this.#pin();
    });
    this.crypto.keysCame.subscribe((rooms) => void this.#sealed.keysCame(rooms));
    this.crypto.devicesCame.subscribe(() => {
      void this.#pin();
      void this.#sealed.devicesCame();
      const looked = this.#looked !== undefined && this.rooms.get(this.#looked);
      if (looked) void this.#sealed.warn(looked).then(() => this.#rooms.tell(looked));
      // What waited for a person's keys may go.
      if (!this.#isGuest) this.queue.resume();
      if (this.crypto.standing === "unapproved") void this.#maybeApproved();
    });
    this.queue.changed.subscribe((roomId) => {
      if (!this.#isGuest) this.#tabs?.tell({ news: "queue", roomId, echoes: this.queue.of(roomId) });
    });
    tabs?.news.subscribe((news) => this.#hear(news));
  }

  /** Something in these rooms changed; of all, when none is named. */
  get changed(): Topic<ReadonlySet<string>> {
    return this.#rooms.changed;
  }

  get rooms(): Map<string, Room> {
    return this.#rooms.all;
  }

  get me(): string {
    return this.session.userId;
  }

  /** Another tab owns the keys, sends and notifies. */
  get isGuest(): boolean {
    return this.#isGuest;
  }

  /** `behind`, `live`, `offline` or `stopped`, as the engine says. */
  get syncState(): SyncEngine["state"] {
    return this.#engine?.state ?? "behind";
  }

  /** Shows what is stored; then goes on with the server. A guest leaves keys and sending to another tab. */
  async start(isGuest = false): Promise<void> {
    this.#isGuest = isGuest;
    if (!isGuest) this.#serve();
    await this.#rooms.restore();
    this.accountData = await this.#store.accountData();
    await this.#pinned.restore();
    await this.drafts.restore();
    this.changed.emit(new Set());
    this.loadCrypto();
    if (!isGuest) await this.queue.restore();
    void this.#sync();
  }

  /** The tab that owned the keys is gone: they are this one's now. */
  async inherit(): Promise<void> {
    this.#isGuest = false;
    this.#engine?.stop();
    this.#serve();
    this.loadCrypto(true);
    await this.queue.restore();
    void this.#sync();
  }

  /** Loads the encryption module, again if it failed. `isInherited`: its keys were another tab's until now. */
  loadCrypto(isInherited = false): void {
    const loaded = this.#isGuest && this.#tabs ? this.#join(this.#tabs) : this.#load(isInherited);
    this.#loaded = loaded.then(() => this.#pin());
    this.#begun(this.#loaded);
    this.#loaded.then(() => this.#begin()).catch((error: unknown) => console.error(error));
  }

  stop(): void {
    this.#engine?.stop();
    this.#catchingUp.stop();
    this.queue.stop();
    this.crypto.stop();
    this.presence.stop();
    this.#tabs?.close();
    this.#store.close();
  }

  /** Does for other tabs what only the owner of the keys may. */
  #serve(): void {
    const tabs = this.#tabs;
    if (!tabs) return;
    const desk = deskOf(this, this.#vaults, () => this.#loaded);
    expose(tabs.channel, async (part) => (part === "desk" ? desk : this.crypto.part(part)));
    tabs.tell({ news: "owner" });
  }

  async #load(isInherited: boolean): Promise<void> {
    await this.crypto.load();
    const told = await this.#sealed.tellAllMissed(isInherited);
    await this.#rooms.keep(told).catch(console.error);
    await this.#delivery.sweep((txnId) => this.#store.isQueued(txnId));
  }

  async #join(tabs: Tabs): Promise<void> {
    await this.crypto.join(tabs);
    this.queue.follow(this.crypto.desk, await this.crypto.desk.echoes());
  }

  /** Somebody does something in this tab: one of them tells that they are there. */
  active(): void {
    this.here.active();
    if (this.#isGuest) this.#tabs?.tell({ news: "active" });
  }

  /** Tells other tabs at which room the person looks here. */
  tellLook(roomId: string | undefined): void {
    this.#tabs?.tell({ news: "looks", roomId });
  }

  #hear(news: News): void {
    if (news.news === "looks") this.lookedAtElsewhere = news.roomId;
    else if (news.news === "active") this.here.active();
    else if (news.news === "threads") this.#hearThreads(news.roomId, news.unread);
    else if (news.news === "forgot") void this.#forget(news.roomId).catch(console.error);
    else if (news.news === "made") void this.#rooms.keepSealed(news.roomId).catch(console.error);
    if (!this.#isGuest) return;
    const isBack = news.news === "standing" && this.crypto.standing === "unavailable";
    if (news.news === "owner" || isBack) this.loadCrypto();
    else if (news.news === "queue") this.queue.hear(news.roomId, news.echoes);
  }

  /** The network came or went, as the browser says. */
  setOnline(isOnline: boolean): void {
    if (!isOnline) return this.#engine?.interrupt();
    this.#engine?.poke();
    this.queue.resume();
  }

  /** A room is looked at: it comes first. */
  look(roomId: string | undefined): void {
    if (this.#looked === roomId) return;
    this.#looked = roomId;
    this.#engine?.look(roomId);
    const room = roomId && this.rooms.get(roomId);
    if (!room) return;
    void this.#sealed.open(room, room.timeline.events).then(() => this.#sealed.warn(room)).then(() => this.#rooms.tell(room));
    this.#members.meet(room);
  }

  /** All members of a room, from the server. */
  loadMembers(room: Room): Promise<void> {
    return this.#members.load(room);
  }

  /** Who asks to come into a room, from the server. */
  loadAsking(room: Room): Promise<void> {
    return this.#members.loadAsking(room);
  }

  markRead(room: Room): void {
    if (this.#reading.markRead(room)) this.#tellThreads(room);
  }

  /** What was said in a thread was read. */
  async markThreadRead(room: Room, rootId: string): Promise<void> {
    if (!room.unreadThreads.delete(rootId)) return;
    this.#tellThreads(room);
    await this.#rooms.keep([room]);
  }

  /** Which threads are unread is known to this device only: to all of its tabs. */
  #tellThreads(room: Room): void {
    this.#tabs?.tell({ news: "threads", roomId: room.id, unread: [...room.unreadThreads] });
    this.#rooms.tell(room);
  }

  #hearThreads(roomId: string, unread: [string, string][]): void {
    const room = this.rooms.get(roomId);
    if (!room) return;
    room.unreadThreads = new Map(unread);
    this.#rooms.tell(room);
    void this.#rooms.keep([room]).catch(console.error);
  }

  createRoom(wanted: Parameters<NewRooms["create"]>[0]): Promise<string> {
    return this.#newRooms.create(wanted);
  }

  /** As `NewRooms` says. */
  goOnIn(roomId: string, from: Room): Promise<boolean> {
    return this.#newRooms.goOnIn(roomId, from);
  }

  /** A direct chat with somebody that is there already. */
  directWith(userId: string): Room | undefined {
    return this.#directs.with(userId);
  }

  async join(room: Room): Promise<void> {
    const invite = room.inviteState.find(({ type, state_key }) => type === "m.room.member" && state_key === this.me);
    await this.api.join(room.id);
    if (invite?.content["is_direct"] === true) await this.#directs.add(invite.sender, room.id);
    room.membership = "join";
    this.#rooms.tell(room);
  }

  /** `keepalive`: also if the page is closed meanwhile. */
  async leave(room: Room, keepalive = false): Promise<void> {
    await this.api.leave(room.id, keepalive);
    room.membership = "leave";
    await this.#rooms.keep([room]);
    this.#rooms.tell(room);
  }

  /** A room in which one is not any more is kept no longer. */
  async forget(room: Room): Promise<void> {
    await forget(this.api.http, room.id);
    await this.#forget(room.id);
    this.#tabs?.tell({ news: "forgot", roomId: room.id });
  }

  async #forget(roomId: string): Promise<void> {
    const forgotten = this.#forgetting.forget(roomId);
    this.changed.emit(new Set());
    await forgotten;
  }

  async setTag(room: Room, tag: string, isOn: boolean): Promise<void> {
    const before = room.tags;
    const others = Object.entries(room.tags).filter(([name]) => name !== tag);
    room.tags = Object.fromEntries(isOn ? [...others, [tag, 0.5]] : others);
    this.#rooms.tell(room);
    await this.api.setTag(room.id, tag, isOn).catch((error: unknown) => {
      room.tags = before;
      this.#rooms.tell(room);
      throw error;
    });
  }

  /** The recovery key gives this device the identity, and the history that is backed up. Answers how many keys came. */
  async recover(typed: string): Promise<number> {
    const count = await this.crypto.recover(typed);
    await this.#pin();
    this.queue.resume();
    await this.#sealed.openAgain([...this.rooms.keys()]);
    return count;
  }

  /** Begins a new identity, with a new recovery key. `asked` answers the stages that the server wants. */
  async renewIdentity(asked: Asked): Promise<void> {
    await this.crypto.renewIdentity(asked);
    await this.#pin();
    this.queue.resume();
    await this.#sealed.openAgain([...this.rooms.keys()]);
  }

  /** Another own device may have vouched for this one. */
  async #maybeApproved(): Promise<void> {
    await this.crypto.settle().catch((error: unknown) => {
      if (!isOutside(error)) console.error(error);
    });
    if (this.crypto.standing !== "ready") return;
    this.queue.resume();
    await this.#sealed.openAgain([...this.rooms.keys()]);
  }

  /** Takes in keys that were saved to a file. Answers how many were new. */
  async importKeys(keys: Uint8Array): Promise<number> {
    const count = await this.crypto.keys.importKeys(keys);
    return Promise.all([this.crypto.flush(), this.#sealed.openAgain([...this.rooms.keys()])]).then(() => count);
  }

  /** Whether what is said in a room goes out sealed. Errors: `Held`, where nothing may leave, or nobody knows. */
  isSealed(roomId: string): Promise<boolean> {
    return this.#delivery.isSealed(roomId);
  }

  /** Whether the server may know what is said in a room: it is known that it is not sealed, nor ever was. */
  isClear(room: Room): boolean {
    return room.sealing === "none" && this.#pinned.areKnown;
  }

  /**
   * What the machine knows as sealed is, whatever the server says. What can't be kept now is asked of the machine where it
   * counts, and kept with the next news.
   */
  async #pin(): Promise<void> {
    try {
      const { areKnown } = this.#pinned;
      const ids = await this.#pinned.ask(this.crypto.sessions);
      const fresh = ids.flatMap((id) => this.rooms.get(id) ?? []);
      for (const room of fresh) room.pinSealed();
      await this.#rooms.keep(fresh);
      await this.#pinned.learned(ids);
      if (fresh.length > 0 || !areKnown) this.changed.emit(new Set(fresh.map(({ id }) => id)));
    } catch (error) {
      console.error(error);
    }
  }

  /** Waits for the encryption module; `false` if it could not be loaded. */
  #hasModule(): Promise<boolean> {
    return this.#loaded.then(() => true, () => false);
  }

  /** The module is there: goes on with what waited for it. */
  async #begin(): Promise<void> {
    void this.#forgetting.goOn();
    const settle = async () => {
      await this.crypto.settle().catch((error: unknown) => {
        if (!isOutside(error)) throw error;
      });
      if (this.crypto.standing === "ready") this.queue.resume();
    };
    await settle();
    const recent = [...this.rooms.values()].toSorted((a, b) => b.order - a.order).slice(0, 30);
    for (const room of recent) {
      if (await this.#sealed.open(room, room.timeline.events.slice(-20))) this.#rooms.tell(room);
    }
    while (this.crypto.standing === "starting" && this.syncState !== "stopped") {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await settle();
    }
  }

  async #sync(): Promise<void> {
    try {
      const source = await sourceOf(this.api.http, this.me, this.#store, this.#isGuest);
      source.look(this.#looked);
      this.#engine = new SyncEngine(source, (update) => this.#incoming.take(update));
      this.#engine.changed.subscribe(() => {
        this.syncChanged.emit();
        if (this.syncState !== "live") return;
        this.queue.resume();
        void this.#reading.tell();
      });
      await this.#engine.run();
    } catch (error) {
      console.error(error);
    }
  }

  /** A letter or a message may have brought a key by which its sender is reached. */
  #maybeReached(): void {
    if (!this.#isGuest && this.queue.isHeld("unreached")) this.queue.resume();
  }

  /** This user's own name, and `mxc:` of the picture. */
  get own(): { name: string; avatarUrl: string | undefined } {
    for (const room of this.rooms.values()) {
      if (!object(room.state("m.room.member", this.me)?.content)) continue;
      return { name: displayName(room, this.me), avatarUrl: profile(room, this.me).avatarUrl };
    }
    return { name: this.me, avatarUrl: undefined };
  }
}
