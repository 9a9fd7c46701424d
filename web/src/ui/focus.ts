/** Gives something the focus that is shown just now; what stands in a dialog, once that is open and has taken it. */
export const focused = (node: HTMLElement) => void queueMicrotask(() => node.focus());
