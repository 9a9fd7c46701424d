// Whether somebody sits before the page.

import type { Client } from "../matrix/client";

/** How often it is told that somebody does something. */
const EVERY_MS = 20_000;
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "focus"] as const;

export function watchActivity(client: Client): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  let last = -Infinity;
  const active = () => {
    const now = performance.now();
    if (document.visibilityState === "hidden" || now - last < EVERY_MS) return;
    last = now;
    client.active();
  };
  const look = () => {
    client.presence.look(document.visibilityState === "visible");
    active();
  };
  for (const sign of SIGNS) addEventListener(sign, active, { signal, passive: true, capture: true });
  document.addEventListener("visibilitychange", look, { signal });
  look();
  return () => stop.abort();
}
