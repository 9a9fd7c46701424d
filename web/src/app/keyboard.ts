// What keys do wherever one is.

export interface Keys {
  jump(): void;
  /** To the room before or after; or to the next with something new. */
  step(by: number, onlyUnread: boolean): void;
  help(): void;
  /** What stands beside is closed. Answers whether anything did. */
  close(): boolean;
  /** What is shown is read. Answers whether anything is. */
  read(): boolean;
  /** What was done last is taken back. Answers whether anything was. */
  undo(): boolean;
}

export function pressed(event: KeyboardEvent, keys: Keys): void {
  const isWriting = (event.target as HTMLElement).closest("input, textarea, [contenteditable]") !== null;
  // What is open above has its own keys.
  if (document.querySelector("dialog[open]")) return;
  const isVertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") keys.jump();
  else if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isFull(event.target) && keys.undo()) event.stopPropagation();
  else if (event.altKey && isVertical) keys.step(event.key === "ArrowUp" ? -1 : 1, event.shiftKey);
  else if (event.key === "F6") nextRegion();
  else if ((event.key === "?" && !isWriting) || ((event.ctrlKey || event.metaKey) && event.key === "/")) keys.help();
  else if (event.key !== "Escape" || !(keys.close() || keys.read())) return;
  event.preventDefault();
}

function nextRegion() {
  const regions = [...document.querySelectorAll<HTMLElement>("[data-region]")];
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  const region = regions[(at + 1) % regions.length];
  region?.querySelector<HTMLElement>("textarea, button, a, input")?.focus();
}

/** There the browser takes back the last letters. */
function isFull(target: EventTarget | null): boolean {
  return (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) && target.value !== "";
}
