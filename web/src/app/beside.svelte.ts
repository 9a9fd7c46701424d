// What stands beside a conversation: media above the people, both above a thread. What is closed shows what was below.

import type { About } from "../features/composer/compose";

export class Beside {
  isMediaOpen = $state(false);
  isPeopleOpen = $state(false);
  /** The thread that is open. */
  thread = $state<string>();
  /** What is written about in it. */
  about = $state.raw<About>();

  readonly shown = $derived(
    this.isMediaOpen ? "media" : this.isPeopleOpen ? "people" : this.thread === undefined ? undefined : "thread",
  );

  showPeople(): void {
    this.isMediaOpen = false;
    this.isPeopleOpen = true;
  }

  togglePeople(): void {
    this.isPeopleOpen = this.isMediaOpen || !this.isPeopleOpen;
    this.isMediaOpen = false;
  }

  openThread(rootId: string): void {
    this.isPeopleOpen = this.isMediaOpen = false;
    // What was to be answered in another thread is not answered in this one.
    if (this.thread !== rootId) this.about = undefined;
    this.thread = rootId;
  }

  closeTop(): void {
    if (this.isMediaOpen) this.isMediaOpen = false;
    else if (this.isPeopleOpen) this.isPeopleOpen = false;
    else this.closeThread();
  }

  closeThread(): void {
    this.thread = this.about = undefined;
  }

  /** What is said in the thread that is open is written about there. Answers whether it is. */
  writes(about: About): boolean {
    const { message } = about;
    const isThere = this.thread !== undefined && [message.threadRoot, message.id].includes(this.thread);
    if (isThere) this.about = about;
    return isThere;
  }
}
