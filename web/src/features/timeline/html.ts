// Formatted bodies of other people: everything but Matrix's list of harmless markup is taken out.

import DOMPurify from "dompurify";

import { t } from "../../ui/words.svelte";
import { pieces } from "./code";
import { linksIn } from "./links";

const TAGS = (
  "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table thead tbody tr th " +
  "td caption pre span details summary"
).split(" ");

const ATTRIBUTES = ["href", "start", "class", "data-mx-spoiler"];
/** Of a picture its words stay; without an address nothing is fetched for it. */
const PICTURE = { tag: "img", words: ["alt", "title"] };
const SCHEMES = /^(https?|mailto|matrix):/i;

/** What may be shown of a body. Pictures and colours stay out: they would tell others or hide words. */
export function sanitised(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html.replace(/<mx-reply>[\s\S]*?<\/mx-reply>/gi, ""), {
    ALLOWED_TAGS: [...TAGS, PICTURE.tag],
    ALLOWED_ATTR: [...ATTRIBUTES, ...PICTURE.words],
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: SCHEMES,
    // Else their values had to be addresses, and words that are hidden for a reason were not.
    ADD_URI_SAFE_ATTR: ["start", "data-mx-spoiler"],
    RETURN_DOM_FRAGMENT: true,
  });
  for (const picture of fragment.querySelectorAll("img")) picture.replaceWith(picture.alt || picture.title);
  for (const node of fragment.querySelectorAll("[alt], [title]")) for (const name of PICTURE.words) node.removeAttribute(name);
  for (const link of fragment.querySelectorAll("a")) leadsOut(link);
  for (const node of fragment.querySelectorAll("[class]")) {
    if (!(node.tagName === "CODE" && /^language-[\w-]+$/.test(node.className))) node.removeAttribute("class");
  }
  linkWords(fragment);
  for (const code of fragment.querySelectorAll("pre > code, pre:not(:has(code))")) coloured(code);
  // What is wider than the screen is moved by keys too.
  for (const wide of fragment.querySelectorAll<HTMLElement>("pre, table")) wide.tabIndex = 0;
  for (const words of fragment.querySelectorAll<HTMLElement>("[data-mx-spoiler]")) cover(words);
  return fragment;
}

/** Plain text with its links. */
export function linked(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (const { text: words, at, href } of linksIn(text)) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = words;
    leadsOut(link);
    fragment.append(text.slice(from, at), link);
    from = at + words.length;
  }
  fragment.append(text.slice(from));
  return fragment;
}

function leadsOut(link: HTMLAnchorElement): void {
  link.target = "_blank";
  link.rel = "noreferrer noopener";
}

/** Addresses in words that are no links yet. */
function linkWords(fragment: DocumentFragment): void {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    if (!node.parentElement?.closest("a, code, pre") && linksIn(node.data).length > 0) found.push(node);
  }
  for (const node of found) node.replaceWith(linked(node.data));
}

/** Hidden words, for eyes and ears, and a button that shows them and hides them again. */
function cover(words: HTMLElement): void {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = t.spoiler(words.dataset["mxSpoiler"]?.trim() ?? "");
  const show = (isShown: boolean) => {
    words.inert = !isShown;
    button.ariaExpanded = String(isShown);
  };
  show(false);
  const whole = document.createElement("span");
  whole.className = "spoiler";
  words.replaceWith(whole);
  whole.append(button, words);
  whole.addEventListener("click", (event) => {
    const isOnButton = event.target === button;
    if (!isOnButton && !words.inert) return;
    // It may stand in a link, or in another one that was opened.
    event.preventDefault();
    event.stopPropagation();
    show(words.inert);
  });
}

function coloured(code: Element): void {
  const language = /^language-([\w-]+)$/.exec(code.className)?.[1];
  const spans = pieces(code.textContent ?? "", language).map(({ kind, text }) => {
    if (kind === "plain") return document.createTextNode(text);
    const span = document.createElement("span");
    span.className = `code-${kind}`;
    span.textContent = text;
    return span;
  });
  code.replaceChildren(...spans);
}
