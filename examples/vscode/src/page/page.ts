/**
 * The page of a session, inside the webview. It asks nobody but the extension, and shows everything as text:
 * only `textContent` and attributes of our own are set.
 */

import type { Head, Line, Part, ToExtension, ToPage } from "./protocol.js";

declare function acquireVsCodeApi(): { postMessage(said: ToExtension): void; setState(state: unknown): void };

const extension = acquireVsCodeApi();
const root = document.documentElement;
const main = element("main");
const earlier = element("#earlier") as HTMLButtonElement;
const fresh = element("#new") as HTMLButtonElement;
const problem = element("#problem");
const FOLDED: Partial<Record<Part["kind"], string>> = {
  thought: "Reasoning",
  call: "Call",
  result: "Result",
  other: "Not shown as text",
};
const NEAR_PIXELS = 40;

/** The position of the first message that is shown, and what stands at it and after. */
let start = 0;
let shown: string[] = [];
let unseen = 0;

window.addEventListener("message", ({ data }: MessageEvent<ToPage>) => {
  if (data.type === "problem") return tellProblem(data.text);
  tellProblem("");
  if (data.type === "all") showAll(data.head, data.start, data.lines);
  else if (data.type === "earlier") showEarlier(data.start, data.lines);
  else showFrom(data.head, data.start, data.lines);
});
window.addEventListener("scroll", () => isAtEnd() && tellUnseen(0), { passive: true });
earlier.addEventListener("click", () => {
  earlier.disabled = true;
  extension.postMessage({ type: "earlier" });
});
fresh.addEventListener("click", toEnd);
extension.setState({ sessionId: document.body.dataset["sessionId"] });
extension.postMessage({ type: "ready" });

function showAll(head: Head, from: number, lines: Line[]): void {
  showHead(head);
  [start, shown] = [from, lines.map((line) => JSON.stringify(line))];
  main.replaceChildren(...lines.map(articleOf));
  showEarlierButton();
  toEnd();
}

/** Put messages above, so that what the person reads stays where it is. */
function showEarlier(from: number, lines: Line[]): void {
  const height = root.scrollHeight;
  [start, shown] = [from, [...lines.map((line) => JSON.stringify(line)), ...shown]];
  main.prepend(...lines.map(articleOf));
  showEarlierButton();
  window.scrollBy({ top: root.scrollHeight - height, behavior: "instant" });
}

/** Show what is different; who reads further up is not moved, and is told. */
function showFrom(head: Head, from: number, lines: Line[]): void {
  const wasAtEnd = isAtEnd();
  const before = shown.length;
  showHead(head);
  lines.forEach((line, index) => put(from - start + index, line));
  if (wasAtEnd) toEnd();
  else tellUnseen(unseen + shown.length - before);
}

function put(index: number, line: Line): void {
  const text = JSON.stringify(line);
  if (shown[index] === text) return;
  const article = articleOf(line);
  const former = main.children[index];
  shown[index] = text;
  if (former === undefined) return main.append(article);
  keepOpen(former, article);
  former.replaceWith(article);
}

/** A message that is still being written stays as far unfolded as the person had it. */
function keepOpen(former: Element, article: Element): void {
  const folds = article.querySelectorAll("details");
  former.querySelectorAll("details").forEach((one, index) => {
    const fold = folds[index];
    if (fold !== undefined) fold.open = one.open;
  });
}

function articleOf(line: Line): HTMLElement {
  const article = made("article");
  article.dataset["role"] = line.role;
  article.append(made("h2", line.role), ...line.parts.map(partOf));
  return article;
}

function partOf(part: Part): HTMLElement {
  const text = made("div", part.text);
  text.className = "text";
  const name = FOLDED[part.kind];
  if (name === undefined) return text;
  const fold = made("details");
  fold.append(made("summary", part.label === "" ? name : `${name}: ${part.label}`), text);
  return fold;
}

function showHead(head: Head): void {
  element("h1").textContent = head.title;
  element("#facts").replaceChildren(...head.facts.map((fact) => made("span", fact)));
}

function showEarlierButton(): void {
  earlier.disabled = false;
  earlier.hidden = start === 0;
  earlier.textContent = `Earlier messages (${start})`;
}

function tellProblem(text: string): void {
  problem.textContent = text;
  problem.hidden = text === "";
  earlier.disabled = false;
}

function tellUnseen(count: number): void {
  unseen = count;
  fresh.hidden = count === 0;
  fresh.textContent = `${count} new`;
}

function isAtEnd(): boolean {
  return window.scrollY + window.innerHeight >= root.scrollHeight - NEAR_PIXELS;
}

function toEnd(): void {
  window.scrollTo({ top: root.scrollHeight, behavior: "instant" });
  tellUnseen(0);
}

function made(tag: string, text = ""): HTMLElement {
  const one = document.createElement(tag);
  one.textContent = text;
  return one;
}

function element(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
