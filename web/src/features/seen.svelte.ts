// What is on the screen: of the rest nothing is to be asked.

type Told = (isSeen: boolean) => void;

const told = new WeakMap<Element, Told>();
let observer: IntersectionObserver | undefined;

/** One for all: lists have many rows. */
function shared(): IntersectionObserver {
  return (observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) told.get(target)?.(isIntersecting);
  }));
}

export class Seen {
  /** The element can be seen. */
  is = $state(false);

  readonly watch = (node: HTMLElement) => {
    told.set(node, (isSeen) => (this.is = isSeen));
    shared().observe(node);
    return () => {
      shared().unobserve(node);
      this.is = false;
    };
  };
}
