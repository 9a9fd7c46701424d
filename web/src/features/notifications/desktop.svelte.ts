// Notifications of the desktop: on this device, as its person wants them.

import type { Client } from "../../matrix/client";
import { Notifier, type Told } from "./notifier";

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
  #shown: Notification[] = [];
  #roomId: string | undefined;
  #told: string | undefined;

  /** `open` is called with the room of a notification that was pressed. */
  constructor(client: Client, open: (roomId: string) => void) {
    this.#client = client;
    this.#notifier = new Notifier(client, (told) => {
      // Of several tabs one tells, as it was chosen in any of them.
      if (client.isGuest || localStorage.getItem("notify") !== "on") return;
      const isSeen = (document.hasFocus() ? this.#roomId : client.lookedAtElsewhere) === told.roomId;
      if (!isSeen && isThere() && Notification.permission === "granted") this.#show(told, open);
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
    addEventListener("focus", look);
    addEventListener("blur", look);
    addEventListener("pagehide", gone);
    return () => {
      stop();
      gone();
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

  #show({ title, body, tag, roomId, isSilent }: Told, open: (roomId: string) => void): void {
    const shown = new Notification(title, { body, tag, silent: isSilent, icon: "/favicon.svg" });
    this.#shown.push(shown);
    shown.addEventListener("close", () => (this.#shown = this.#shown.filter((one) => one !== shown)));
    shown.addEventListener("click", () => {
      window.focus();
      open(roomId);
      shown.close();
    });
  }
}
