/**
 * Markdown of anybody as markup that may be shown: no HTML of its own, nothing fetched, nothing run.
 *
 * markdown-it escapes; DOMPurify then lets through what Markdown needs and nothing else, and makes
 * the only TrustedHTML that the policy of this page takes.
 */

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

import { highlighted } from "./highlight";
import { visible } from "./safe";

const KEPT = 300;

const markdown = new MarkdownIt({ html: false, linkify: true, highlight: highlighted });

const PICTURE = /^data:image\/(?:png|gif|jpeg|webp|avif);base64,/i;
const OUTSIDE = /^(?:https?:|mailto:)/i;
markdown.validateLink = (address: string) => !/^(?:javascript|vbscript|file|data):/i.test(address) || PICTURE.test(address);

const rules = markdown.renderer.rules;

rules.link_open = (tokens, at, options, _env, self) => {
  const token = tokens[at]!;
  const address = String(token.attrGet("href") ?? "");
  if (OUTSIDE.test(address)) {
    token.attrSet("target", "_blank");
    token.attrSet("rel", "noopener noreferrer");
  } else {
    token.attrs = [["title", address]]; // a place that this page does not have
  }
  return self.renderToken(tokens, at, options);
};

rules.image = (tokens, at) => {
  const token = tokens[at]!;
  const [address, told] = [String(token.attrGet("src") ?? ""), escaped(token.content)];
  if (PICTURE.test(address)) return `<img src="${escaped(address)}" alt="${told}">`;
  const text = told || "picture";
  // Fetching it would tell somebody that it is read.
  return OUTSIDE.test(address)
    ? `<a href="${escaped(address)}" target="_blank" rel="noopener noreferrer">${text} (picture, not loaded)</a>`
    : `<span title="${escaped(address)}">${text} (picture, not here)</span>`;
};

// Columns are aligned by a class: the policy forbids style attributes.
rules.th_open = rules.td_open = (tokens, at) => {
  const token = tokens[at]!;
  const side = /text-align:(\w+)/.exec(String(token.attrGet("style") ?? ""))?.[1];
  return side ? `<${token.tag} class="${side}">` : `<${token.tag}>`;
};

function escaped(text: string): string {
  return markdown.utils.escapeHtml(text);
}

/** Return Markdown as markup that is not purified yet. */
export function markup(text: string): string {
  return markdown.render(visible(text));
}

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "a", "span", "img"],
    ...["ul", "ol", "li", "blockquote", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "title", "target", "rel", "class", "src", "alt", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|gif|jpeg|webp|avif);base64,)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_TRUSTED_TYPE: true,
};

const made = new Map<string, string>();

/** Return Markdown as markup; what was made lately is made once. */
export function rendered(text: string): string {
  const known = made.get(text);
  if (known !== undefined) return known;
  // Preact hands it on to innerHTML as it is: TrustedHTML where the browser has it.
  const purified = DOMPurify.sanitize(markup(text), ALLOWED) as unknown as string;
  if (made.size >= KEPT) made.delete(made.keys().next().value!);
  made.set(text, purified);
  return purified;
}
