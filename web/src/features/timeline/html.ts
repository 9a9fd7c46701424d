// Formatted bodies of other people: everything but Matrix's list of harmless markup is taken out.

import DOMPurify from "dompurify";

import { pieces } from "./code";

const TAGS = (
  "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table thead tbody tr th " +
  "td caption pre span details summary"
).split(" ");

const ATTRIBUTES = ["href", "start", "class", "data-mx-spoiler"];
const SCHEMES = /^(https?|mailto|matrix):/i;

/** What may be shown of a body. Pictures and colours stay out: they would tell others or hide words. */
export function sanitised(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html.replace(/<mx-reply>[\s\S]*?<\/mx-reply>/gi, ""), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: SCHEMES,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noreferrer noopener";
  }
  for (const node of fragment.querySelectorAll("[class]")) {
    if (!(node.tagName === "CODE" && /^language-[\w-]+$/.test(node.className))) node.removeAttribute("class");
  }
  for (const code of fragment.querySelectorAll("pre > code, pre:not(:has(code))")) coloured(code);
  // What is wider than the screen is moved by keys too.
  for (const wide of fragment.querySelectorAll<HTMLElement>("pre, table")) wide.tabIndex = 0;
  for (const spoiler of fragment.querySelectorAll<HTMLElement>("[data-mx-spoiler]")) {
    spoiler.tabIndex = 0;
    spoiler.setAttribute("role", "button");
  }
  return fragment;
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

const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

/** Plain text with its links. */
export function linked(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    fragment.append(text.slice(from, match.index));
    const link = document.createElement("a");
    link.href = match[0];
    link.textContent = match[0];
    link.target = "_blank";
    link.rel = "noreferrer noopener";
    fragment.append(link);
    from = match.index + match[0].length;
  }
  fragment.append(text.slice(from));
  return fragment;
}
