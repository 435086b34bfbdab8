/** The page of a session: its last messages first, what stands before on demand, and what comes. */

import { randomBytes } from "node:crypto";

import { type Change, ProblemError, type SessionDetail, type Told } from "localsessions-client";
import { NoServiceError } from "localsessions-client/discover";
import { type Disposable, Uri, ViewColumn, type Webview, type WebviewPanel, window } from "vscode";

import type { Head, ToExtension, ToPage } from "./page/protocol.js";
import { clean, oneLine } from "./plain.js";
import type { Service, State } from "./service.js";
import { lineOf } from "./transcript.js";
import { titleOf } from "./tree.js";

const STEP = 50;
/** What came while nobody looked: more than so many messages, and the page begins again with the last ones. */
const MOST_NEW = 500;

/** The pages that are open: one for each session. */
export class SessionViews implements Disposable {
  readonly #open = new Map<string, SessionView>();
  readonly #parts: Disposable[];

  constructor(
    readonly service: Service,
    readonly extension: Uri,
  ) {
    this.#parts = [
      service.onTold((told) => this.#tell(told)),
      service.onState((state) => this.#tellState(state)),
      window.registerWebviewPanelSerializer("localsessions.session", {
        // The state is the page's own: only an id is taken from it.
        deserializeWebviewPanel: async (panel, state: unknown) => {
          const sessionId = (state as { sessionId?: unknown } | undefined)?.sessionId;
          if (typeof sessionId === "string" && sessionId !== "") this.#take(sessionId, panel);
          else panel.dispose();
        },
      }),
    ];
  }

  open(sessionId: string, title: string): void {
    const known = this.#open.get(sessionId);
    if (known !== undefined) return known.panel.reveal();
    const options = { enableFindWidget: true };
    const panel = window.createWebviewPanel("localsessions.session", title, ViewColumn.Active, options);
    this.#take(sessionId, panel);
  }

  dispose(): void {
    for (const part of this.#parts) part.dispose();
    for (const view of [...this.#open.values()]) view.panel.dispose();
  }

  #take(sessionId: string, panel: WebviewPanel): void {
    this.#open.get(sessionId)?.panel.dispose();
    const view = new SessionView(this.service, this.extension, sessionId, panel);
    this.#open.set(sessionId, view);
    panel.onDidDispose(() => this.#open.get(sessionId) === view && this.#open.delete(sessionId));
  }

  /** A page that could not be filled, or may be old, is filled when a service answers again. */
  #tellState(state: State): void {
    for (const view of this.#open.values()) {
      if (state === "none") view.tellProblem(new NoServiceError(""));
      if (state === "there") view.again();
    }
  }

  #tell(told: Told): void {
    if (told.type === "change") this.#open.get(told.change.session_id)?.change(told.change);
    else for (const view of this.#open.values()) view.again();
  }
}

class SessionView {
  /** Of the messages, those from here to `#total` are shown; none before the page is ready and was filled. */
  #start = 0;
  #total = 0;
  #isReady = false;
  #isFilled = false;
  #isClosed = false;
  /** The first message that is not as it is shown; undefined if all are. */
  #stale: number | undefined;
  #doing: Promise<void> = Promise.resolve();

  constructor(
    readonly service: Service,
    extension: Uri,
    readonly sessionId: string,
    readonly panel: WebviewPanel,
  ) {
    const root = Uri.joinPath(extension, "build");
    panel.webview.options = { enableScripts: true, localResourceRoots: [root] };
    panel.webview.onDidReceiveMessage((said: Partial<ToExtension> | undefined) => {
      if (said?.type === "ready") this.#next(() => this.#showAll());
      if (said?.type === "earlier") this.#next(() => this.#showEarlier());
    });
    panel.onDidDispose(() => (this.#isClosed = true));
    panel.webview.html = htmlOf(panel.webview, root, sessionId);
  }

  /** Something happened to the session. */
  change(change: Change): void {
    if (change.kind === "deleted") return this.#post({ type: "problem", text: "This session was deleted." });
    if (change.kind !== "modified" || change.messages === null) return this.again();
    this.#update(change.messages.reduce((least, one) => Math.min(least, one.position), Infinity));
  }

  /** Anything may have happened. */
  again(): void {
    this.#update(0);
  }

  tellProblem(reason: unknown): void {
    this.#post({ type: "problem", text: wordsFor(reason) });
  }

  /** Show what is new from a position on, in one step for all changes that wait. */
  #update(from: number): void {
    if (!this.#isReady) return;
    const isWaiting = this.#stale !== undefined;
    this.#stale = Math.min(this.#stale ?? Infinity, from);
    if (!isWaiting) this.#next(() => this.#showNew());
  }

  async #showAll(): Promise<void> {
    this.#stale = undefined;
    this.#isReady = true;
    const [{ value }, range] = await Promise.all([this.#session(), this.#messages({ last: STEP })]);
    [this.#start, this.#total, this.#isFilled] = [range.start, range.total, true];
    this.#post({ type: "all", head: headOf(value), start: range.start, lines: range.messages.map(lineOf) });
  }

  async #showEarlier(): Promise<void> {
    const start = Math.max(0, this.#start - STEP);
    if (start === this.#start) return;
    const { messages } = await this.#messages({ start, limit: this.#start - start });
    this.#start = start;
    this.#post({ type: "earlier", start, lines: messages.map(lineOf) });
  }

  async #showNew(): Promise<void> {
    if (!this.#isFilled) return this.#showAll();
    const start = Math.max(this.#start, Math.min(this.#stale ?? this.#total, this.#total));
    this.#stale = undefined;
    const [{ value }, range] = await Promise.all([this.#session(), this.#messages({ start, limit: 10_000 })]);
    const isGap = range.total < this.#total || range.total - this.#total > MOST_NEW;
    if (isGap || start + range.messages.length < range.total) return this.#showAll();
    this.#total = range.total;
    this.#post({ type: "from", head: headOf(value), start, lines: range.messages.map(lineOf) });
  }

  /** Act after what is being done, and say what went wrong. */
  #next(act: () => Promise<void>): void {
    this.#doing = this.#doing.then(act).catch((reason: unknown) => this.tellProblem(reason));
  }

  /** Say something to the page, unless it was closed while it was being read. */
  #post(said: ToPage): void {
    if (this.#isClosed) return;
    if ("head" in said) this.panel.title = said.head.title;
    void this.panel.webview.postMessage(said);
  }

  #session() {
    return this.service.client.session(this.sessionId);
  }

  #messages(query: { start?: number; limit?: number; last?: number }) {
    return this.service.client.messages(this.sessionId, query);
  }
}

function headOf(detail: SessionDetail): Head {
  const isArchived = detail.status === "archived";
  const facts = [detail.program, detail.project, detail.branch, ...detail.tags, isArchived ? "archived" : ""];
  return { title: titleOf(detail), facts: facts.map((fact) => oneLine(fact ?? "")).filter((fact) => fact !== "") };
}

/** Return what a person can do about it; the service's own words have the remedy. */
function wordsFor(reason: unknown): string {
  if (reason instanceof NoServiceError) {
    return "No service answers. What is shown may be old. Start it from the tree of sessions.";
  }
  if (reason instanceof ProblemError && reason.status === 404) return "This session is not there any more.";
  return clean(reason instanceof Error ? reason.message : String(reason));
}

/** Return the page: nothing but our own script and style, by a name that is new each time. Nothing of a session. */
function htmlOf(webview: Webview, root: Uri, sessionId: string): string {
  const nonce = randomBytes(24).toString("base64");
  const address = (name: string) => attribute(webview.asWebviewUri(Uri.joinPath(root, name)).toString());
  const allowed = `script-src 'nonce-${nonce}'; style-src ${webview.cspSource}`;
  const policy = `default-src 'none'; ${allowed}; base-uri 'none'; form-action 'none'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${address("page.css")}">
<title>Session</title>
</head>
<body data-session-id="${attribute(sessionId)}">
<header><h1></h1><p id="facts"></p></header>
<p id="problem" role="alert" hidden></p>
<button id="earlier" hidden>Earlier messages</button>
<main></main>
<button id="new" hidden></button>
<script nonce="${nonce}" src="${address("page.js")}"></script>
</body>
</html>`;
}

function attribute(text: string): string {
  return text.replace(/[^\w:/.%+=-]/g, (character) => `&#${character.codePointAt(0)};`);
}
