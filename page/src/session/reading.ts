/** A session that is read: its facts, its outline, and those messages that were looked at. */

import { batch, computed, signal } from "@preact/signals";

import { onChange, seldom } from "../live";
import * as service from "../service";
import { type Change, type Message, type Outline, ProblemError, type SessionDetail, type SessionLine, type Versioned } from "../service";

/** So many messages are fetched at once. */
export const CHUNK = 60;
const PAUSE = 200; // milliseconds between two looks at a session that grows

export class Reading {
  readonly detail = signal<Versioned<SessionDetail> | undefined>();
  readonly outline = signal<Outline | undefined>();
  readonly children = signal<SessionLine[]>([]);
  readonly trouble = signal<{ text: string; code: string } | undefined>();
  /** Counts what has come, so that whoever draws messages looks again. */
  readonly version = signal(0);
  readonly title = computed(() => this.detail.value?.value.title ?? "");
  readonly #messages = new Map<number, Message>();
  readonly #cut = new Set<number>();
  /** Those that were asked for whole; they stay whole when their chunk comes again. */
  readonly #whole = new Set<number>();
  readonly #asked = new Set<number>();
  readonly #end: () => void;
  #isOver = false;

  constructor(
    readonly sessionId: string,
    begin: number,
  ) {
    const again = seldom(PAUSE, () => void this.refresh());
    this.#end = onChange((change) => {
      if (change !== undefined && change.session_id !== sessionId) return;
      this.#forget(change);
      again();
    });
    void this.refresh();
    this.want(begin, begin + 1); // at the same time: most of opening is reading the file
  }

  /** Watch it no more. */
  close(): void {
    this.#isOver = true;
    this.#end();
  }

  /** Read its facts and its outline again. */
  async refresh(): Promise<void> {
    try {
      const [{ value: outline, etag }, children] = await Promise.all([
        service.outline(this.sessionId),
        service.client.page({ parent: this.sessionId }),
      ]);
      if (this.#isOver) return;
      // The end is what a person goes to next.
      if (this.outline.peek() === undefined && outline.total > 0) this.want(outline.total - 1, outline.total - 1);
      batch(() => {
        this.detail.value = { value: outline.session, etag };
        this.outline.value = outline;
        this.children.value = children.sessions;
        this.trouble.value = undefined;
        this.version.value += 1;
      });
    } catch (reason) {
      this.#fail(reason);
    }
  }

  /** Return a message, undefined until it is there. */
  message(position: number): Message | undefined {
    return this.#messages.get(position);
  }

  /** Tell whether texts of a message were cut. */
  isCut(position: number): boolean {
    return this.#cut.has(position);
  }

  /** Fetch the messages of these positions, unless they are here. */
  want(first: number, last: number): void {
    for (let chunk = Math.floor(first / CHUNK); chunk <= Math.floor(last / CHUNK); chunk += 1) {
      if (chunk >= 0 && !this.#asked.has(chunk)) void this.#fetch(chunk);
    }
  }

  /** Fetch a message with the whole of its texts; it stays whole from now on. */
  async wholeMessage(position: number): Promise<void> {
    this.#whole.add(position);
    try {
      const found = await service.messagesFrom(this.sessionId, position, 1, Number.MAX_SAFE_INTEGER);
      const [message] = found.messages;
      if (message === undefined) return;
      this.#messages.set(position, message);
      this.#cut.delete(position);
      this.version.value += 1;
    } catch (reason) {
      this.#fail(reason);
    }
  }

  async #fetch(chunk: number): Promise<void> {
    this.#asked.add(chunk);
    try {
      const found = await service.messagesFrom(this.sessionId, chunk * CHUNK, CHUNK);
      const cut = new Set(found.cut);
      found.messages.forEach((message, index) => {
        const position = found.start + index;
        if (cut.has(position) && this.#whole.has(position)) return void this.wholeMessage(position);
        this.#messages.set(position, message);
        if (cut.has(position)) this.#cut.add(position);
        else this.#cut.delete(position);
      });
      // The last chunk of a session that grows is asked for again.
      if (found.messages.length < CHUNK) this.#asked.delete(chunk);
      this.version.value += 1;
    } catch (reason) {
      this.#asked.delete(chunk);
      this.#fail(reason);
    }
  }

  #fail(reason: unknown): void {
    const code = reason instanceof ProblemError ? reason.code : "";
    if (!this.#isOver) this.trouble.value = { text: service.toldOf(reason), code };
  }

  /** Forget what a change touched; what is drawn stays until the new text is here. */
  #forget(change: Change | undefined): void {
    const touched = change?.messages;
    if (!touched) return this.#asked.clear();
    for (const { position, what } of touched) {
      if (what === "removed") {
        this.#whole.clear(); // what follows has another position now
        return this.#asked.clear();
      }
      this.#asked.delete(Math.floor(position / CHUNK));
    }
  }
}
