// A long press, by whatever one presses with: on a finger held still; by the other button of a mouse, and by the key for
// what can be done with something.

const LONG_MS = 500;
/** A finger that goes further scrolls. */
const STILL = 10;

/** Calls back on a long press, and lets no click follow it. */
export function longPress(act: () => void) {
  return (node: HTMLElement) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let from = { x: 0, y: 0 };
    let wasLong = false;
    const over = new AbortController();
    const { signal } = over;
    const stop = () => clearTimeout(timer);
    const done = () => {
      stop();
      wasLong = true;
      act();
    };
    node.addEventListener("pointerdown", (event) => {
      stop();
      wasLong = false;
      if (event.pointerType === "mouse") return;
      from = event;
      timer = setTimeout(done, LONG_MS);
    }, { signal });
    node.addEventListener("pointermove", ({ x, y }) => {
      if (Math.hypot(x - from.x, y - from.y) > STILL) stop();
    }, { signal });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) node.addEventListener(end, stop, { signal });
    // Where a held finger asks for a menu, it comes before the time is over, or after it.
    node.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      if (!wasLong) done();
      wasLong = event.pointerType === "touch";
    }, { signal });
    node.addEventListener("click", (event) => {
      if (!wasLong) return;
      wasLong = false;
      event.preventDefault();
      event.stopImmediatePropagation();
    }, { signal, capture: true });
    return () => {
      stop();
      over.abort();
    };
  };
}
