// The page's side of the service worker: installs it, and offers a new version instead of changing under the person.

import { trusted } from "./trusted";

/** How often a page that stays open looks for a new version. */
const LOOK_MS = 60 * 60 * 1000;

export class ServiceWorkerPage {
  /** Has a request renew the token, if it is no longer good. */
  renew: () => Promise<boolean> = async () => false;

  #waiting = $state.raw<ServiceWorker>();

  /** A new version is here, whole, and waits until it is wanted. */
  get isNewer(): boolean {
    return this.#waiting !== undefined;
  }

  /** Not while the client is developed: its files have no version. */
  start(): void {
    const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    if (!import.meta.env.PROD || !container) return;
    let isControlled = container.controller !== null;
    container.addEventListener("controllerchange", () => {
      // In every tab: what is loaded later must be of the same version.
      if (isControlled) location.reload();
      isControlled = true;
    });
    container.addEventListener("message", ({ data, ports }: MessageEvent) => {
      if (data === "renew") void this.renew().then((isDone) => ports[0]?.postMessage(isDone));
    });
    container.startMessages();
    this.#register(container).catch((error: unknown) => console.info(error));
  }

  /** Changes to the new version, in all tabs. */
  goOn(): void {
    this.#waiting?.postMessage("go on");
  }

  async #register(container: ServiceWorkerContainer): Promise<void> {
    const registration = await container.register(trusted("/sw.js"), { updateViaCache: "none" });
    this.#offer(registration.waiting);
    registration.addEventListener("updatefound", () => {
      const worker = registration.installing;
      worker?.addEventListener("statechange", () => {
        if (worker.state === "installed" && container.controller) this.#offer(worker);
      });
    });
    const look = () => void registration.update().catch(() => {});
    setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  }

  #offer(worker: ServiceWorker | null): void {
    if (worker) this.#waiting = worker;
  }
}
