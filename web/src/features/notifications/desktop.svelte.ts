// Notifications of the desktop: on this device, as its person wants them.

import type { Client } from "../../matrix/client";
import { linkToMessage } from "../../matrix/uri";
import { Notifier, type Told } from "./notifier";

/** Where somebody goes who pressed a notification; the service worker hands it on as it is. */
interface Goal {
  roomId: string;
  eventId?: string | undefined;
}

type Open = (roomId: string, eventId?: string) => void;

/** Some browsers have none. */
function isThere(): boolean {
  return "Notification" in globalThis;
}

export class Desktop {
  /** Somebody wants them here. */
  isOn = $state(localStorage.getItem("notify") === "on");
  withWords = $state(localStorage.getItem("notify words") !== "off");
  /** The browser does not let us. */
  isBlocked = $state(false);

  readonly #client: Client;
  readonly #notifier: Notifier;
  readonly #open: Open;
  #shown: Notification[] = [];
  #roomId: string | undefined;
  #told: string | undefined;

  /** `open` is called with the room of a notification that was pressed, and the message. */
  constructor(client: Client, open: Open) {
    this.#client = client;
    this.#open = open;
    this.#notifier = new Notifier(client, (told) => {
      // Of several tabs one tells, as it was chosen in any of them.
      if (client.isGuest || localStorage.getItem("notify") !== "on") return;
      const isSeen = (document.hasFocus() ? this.#roomId : client.lookedAtElsewhere) === told.roomId;
      if (!isSeen && isThere() && Notification.permission === "granted") void this.#show(told).catch((error: unknown) => console.error(error));
    });
    this.#notifier.withWords = this.withWords;
  }

  /** Which room is open here. */
  look(roomId: string | undefined): void {
    this.#roomId = roomId;
    this.#tellLook();
  }

  listen(): () => void {
    const stop = this.#notifier.listen();
    const look = () => this.#tellLook();
    const gone = () => {
      if (this.#told !== undefined) this.#client.tellLook((this.#told = undefined));
      // What was told stays readable no longer than the page that told it: it may be locked.
      for (const shown of this.#shown) shown.close();
    };
    const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    const pressed = ({ data }: MessageEvent) => {
      const goal = (data as { goal?: Goal } | null)?.goal;
      if (goal) this.#open(goal.roomId, goal.eventId);
    };
    container?.addEventListener("message", pressed);
    addEventListener("focus", look);
    addEventListener("blur", look);
    addEventListener("pagehide", gone);
    return () => {
      stop();
      gone();
      container?.removeEventListener("message", pressed);
      removeEventListener("focus", look);
      removeEventListener("blur", look);
      removeEventListener("pagehide", gone);
    };
  }

  #tellLook(): void {
    const looked = document.hasFocus() ? this.#roomId : undefined;
    // Who never looked does not say so: another tab may be looked at.
    if (looked !== this.#told) this.#client.tellLook((this.#told = looked));
  }

  async turn(isOn: boolean): Promise<void> {
    this.isBlocked = isOn && !(isThere() && (await Notification.requestPermission()) === "granted");
    this.isOn = isOn && !this.isBlocked;
    localStorage.setItem("notify", this.isOn ? "on" : "off");
  }

  setWords(withWords: boolean): void {
    this.withWords = this.#notifier.withWords = withWords;
    localStorage.setItem("notify words", withWords ? "on" : "off");
  }

  async #show({ title, body, tag, roomId, eventId, isSilent }: Told): Promise<void> {
    // A later one of the room is heard again, though it takes the place of the one before.
    const options = { body, tag, renotify: !isSilent, silent: isSilent, icon: "/icon-192.png" };
    const registration = await (navigator.serviceWorker as ServiceWorkerContainer | undefined)?.getRegistration();
    if (registration?.active) {
      // Phones and the installed client know no other.
      const room = this.#client.rooms.get(roomId);
      const link = room && eventId !== undefined ? linkToMessage(room, eventId) : undefined;
      await registration.showNotification(title, { ...options, data: { goal: { roomId, eventId }, link } });
      const before = this.#shown.filter((one) => one.tag !== tag);
      this.#shown = [...before, ...(await registration.getNotifications({ tag }))];
      return;
    }
    const shown = new Notification(title, options);
    this.#shown.push(shown);
    shown.addEventListener("close", () => (this.#shown = this.#shown.filter((one) => one !== shown)));
    shown.addEventListener("click", () => {
      window.focus();
      this.#open(roomId, eventId);
      shown.close();
    });
  }
}
