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

  readonly #notifier: Notifier;

  /** `open` is called with the room of a notification that was pressed. */
  constructor(client: Client, open: (roomId: string) => void, isLookedAt: (roomId: string) => boolean) {
    this.#notifier = new Notifier(client, (told) => {
      const isSeen = document.hasFocus() && isLookedAt(told.roomId);
      if (this.isOn && !isSeen && isThere() && Notification.permission === "granted") this.#show(told, open);
    });
    this.#notifier.withWords = this.withWords;
  }

  listen(): () => void {
    return this.#notifier.listen();
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
    shown.addEventListener("click", () => {
      window.focus();
      open(roomId);
      shown.close();
    });
  }
}
