// The page's side of the service worker: installs it, and offers a new version instead of changing under the person.

import { trusted } from "./trusted";

/** How often a page that stays open looks for a new version. */
const LOOK_MS = 60 * 60 * 1000;
/** How often a new version that is wanted is asked to come, until it does. */
const AGAIN_MS = 1000;

export class ServiceWorkerPage {
  /** Has a request renew the token, if it is no longer good. */
  renew: () => Promise<boolean> = async () => false;

  #waiting = $state.raw<ServiceWorker>();
  #isWanted = false;
  #registration: ServiceWorkerRegistration | undefined;
  /** There was a worker before: another one is of another version. */
  #isOfSome = false;

  /** A new version is here, whole, and waits until it is wanted. */
  get isNewer(): boolean {
    return this.#waiting !== undefined;
  }

  /** Not while the client is developed: its files have no version. */
  start(): void {
    const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    if (!import.meta.env.PROD || !container) return;
    this.#isOfSome = container.controller !== null;
    container.addEventListener("controllerchange", () => {
      // In every tab: what is loaded later must be of the same version. The first one came with this page.
      if (this.#isOfSome) location.reload();
      this.#isOfSome = true;
    });
    container.addEventListener("message", ({ data, ports }: MessageEvent) => {
      if (data === "renew") void this.renew().then((isDone) => ports[0]?.postMessage(isDone));
    });
    container.startMessages();
    // The change may have come while this page was loaded.
    if (container.controller) beOf(container.controller);
    const register = () => void this.#register(container).catch((error: unknown) => console.info(error));
    // After what the person waits for.
    if (document.readyState === "complete") register();
    else addEventListener("load", register, { once: true });
  }

  /** Changes to the new version, in all tabs. */
  goOn(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    const ask = () => (this.#registration?.waiting ?? this.#waiting)?.postMessage("go on");
    ask();
    setInterval(ask, AGAIN_MS);
  }

  async #register(container: ServiceWorkerContainer): Promise<void> {
    const registration = await container.register(trusted("/sw.js"), { updateViaCache: "none" });
    this.#registration = registration;
    // Also where the browser was told to load this page past it.
    this.#isOfSome ||= registration.active !== null;
    this.#offer(registration.waiting);
    const follow = (worker: ServiceWorker | null) => {
      worker?.addEventListener("statechange", () => {
        if (worker.state === "installed" && registration.active) this.#offer(worker);
      });
    };
    follow(registration.installing);
    registration.addEventListener("updatefound", () => follow(registration.installing));
    const look = () => void registration.update().catch(() => {});
    setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  }

  #offer(worker: ServiceWorker | null): void {
    if (worker) this.#waiting = worker;
  }
}

/** Begins the page anew, once, if the worker does not know what it consists of. */
function beOf(worker: ServiceWorker): void {
  const entry = new URL(import.meta.url).pathname.slice(1);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    if (data !== false || sessionStorage.getItem("anew") === entry) return;
    sessionStorage.setItem("anew", entry);
    location.reload();
  };
  worker.postMessage({ has: entry }, [port2]);
}
