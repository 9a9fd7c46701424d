// Back with a finger, from the left edge of a narrow screen: what is shown follows it, and goes when it was moved far.

import type { Attachment } from "svelte/attachments";

/** Where the finger begins, how far it goes before it counts, and from where what is shown goes. */
const EDGE = 32;
const SLACK = 10;
const FAR = 80;
const BACK_MS = 120;

const isNarrow = () => matchMedia("(max-width: 640px)").matches;
const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function backSwipe(onback: () => void): Attachment<HTMLElement> {
  return (node) => {
    let begin: { x: number; y: number } | undefined;
    let moved: number | undefined;

    function start(event: TouchEvent) {
      const [touch] = event.touches;
      begin = moved = undefined;
      if (!touch || event.touches.length > 1 || touch.clientX > EDGE || !isNarrow()) return;
      if (isTaken(event.target as Element, node)) return;
      begin = { x: touch.clientX, y: touch.clientY };
    }

    function move(event: TouchEvent) {
      const [touch] = event.touches;
      if (!begin || !touch) return;
      const [dx, dy] = [touch.clientX - begin.x, touch.clientY - begin.y];
      if (moved === undefined) {
        if (Math.hypot(dx, dy) < SLACK) return;
        // Up and down, to the left, or with another finger: something else is meant.
        if (dx < Math.abs(dy) || event.touches.length > 1 || !event.cancelable) return void (begin = undefined);
      }
      event.preventDefault();
      moved = Math.max(0, dx);
      if (!isStill()) node.style.transform = `translateX(${moved}px)`;
    }

    function end(event: TouchEvent) {
      const far = moved ?? 0;
      begin = moved = undefined;
      if (!node.style.transform && far === 0) return;
      const isMeant = event.type === "touchend" && far >= FAR;
      if (!isMeant && !isStill()) node.animate([{ transform: node.style.transform }, { transform: "none" }], { duration: BACK_MS });
      node.style.transform = "";
      if (isMeant) onback();
    }

    node.addEventListener("touchstart", start, { passive: true });
    node.addEventListener("touchmove", move, { passive: false });
    node.addEventListener("touchend", end);
    node.addEventListener("touchcancel", end);
    return () => {
      node.removeEventListener("touchstart", start);
      node.removeEventListener("touchmove", move);
      node.removeEventListener("touchend", end);
      node.removeEventListener("touchcancel", end);
    };
  };
}

/** What is under the finger moves to the right itself: a slider, or what was scrolled sideways. */
function isTaken(target: Element, within: Element): boolean {
  if (target.closest("dialog, input[type=range], [role=slider]")) return true;
  for (let node: Element | null = target; node && node !== within; node = node.parentElement) {
    if (node.scrollLeft > 0) return true;
  }
  return false;
}
