/** Following the changes: a stream that is resumed where it broke off. */

import { type Address, headersOf } from "./address.js";
import type { components } from "./api.js";
import { type ProblemError, problemIn } from "./problem.js";
import { EventParser, type ServerEvent } from "./sse.js";
import { Backoff, pause, Silence } from "./waiting.js";

export type Change = components["schemas"]["Change"];

/** What happened. */
export type Told =
  /** From here on, nothing is missed: list now, and keep the list right by what comes. */
  | { type: "ready"; lastChange: number }
  /** Changes were missed that the service no longer has: list again. */
  | { type: "reset"; lastChange: number }
  | { type: "change"; change: Change };

export interface FollowOptions {
  /** Only the changes of this session. */
  sessionId?: string;
  /** Begin after this change, as `lastChange` of an earlier call said; else with what comes. */
  since?: number;
  /** Ends it. */
  signal?: AbortSignal;
  /** Milliseconds without a sign of life after which it connects again; the service's heart beats every 15 s. */
  silence?: number;
  /** The first and the longest pause before it connects again, in milliseconds. */
  backoff?: { first: number; longest: number };
  /** Called when a connection stands, at first and after each break. */
  onConnect?: () => void;
  /** Called when a connection broke, with the reason; it goes on by itself. */
  onBreak?: (reason: unknown) => void;
}

/** Where a follower is, and how it gets there. */
export interface Source {
  address(): Promise<Address>;
  /** Look for the service again, since it did not answer or did not know the token. */
  relocate(): Promise<void>;
  fetch: typeof fetch;
}

/** Yield what happens until the signal comes; whatever breaks is taken up again where it broke off. */
export async function* follow(source: Source, options: FollowOptions = {}): AsyncGenerator<Told> {
  const end = new AbortController();
  const stop = () => end.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  try {
    yield* followUntil(source, options, end.signal);
  } finally {
    options.signal?.removeEventListener("abort", stop);
    end.abort();
  }
}

async function* followUntil(source: Source, options: FollowOptions, signal: AbortSignal): AsyncGenerator<Told> {
  const { first, longest } = options.backoff ?? { first: 250, longest: 10_000 };
  const backoff = new Backoff(first, longest);
  let id = options.since === undefined ? undefined : String(options.since);
  let isFirst = true;
  while (!signal.aborted) {
    const silence = new Silence(options.silence ?? 40_000, signal);
    try {
      for await (const event of events(source, options, id, silence)) {
        backoff.reset();
        const told = toldBy(event, isFirst);
        id = event.id ?? id;
        isFirst = false;
        silence.rest(); // the caller may take its time
        if (told !== undefined) yield told;
        silence.heard();
      }
      if (!signal.aborted) options.onBreak?.(new Error("the service ended the stream"));
    } catch (reason) {
      if (signal.aborted) return;
      if (isHopeless(reason)) throw reason;
      options.onBreak?.(reason);
      await relocated(source, options);
    } finally {
      silence.end();
    }
    await pause(backoff.next(), signal);
  }
}

async function relocated(source: Source, options: FollowOptions): Promise<void> {
  try {
    await source.relocate();
  } catch (reason) {
    options.onBreak?.(reason); // it is not there yet: the next try looks again
  }
}

async function* events(
  source: Source,
  options: FollowOptions,
  id: string | undefined,
  silence: Silence,
): AsyncGenerator<ServerEvent> {
  const address = await source.address();
  const query = options.sessionId === undefined ? "" : `?session_id=${encodeURIComponent(options.sessionId)}`;
  const more: Record<string, string> = { Accept: "text/event-stream" };
  if (id !== undefined) more["Last-Event-ID"] = id;
  const { signal } = silence;
  const headers = headersOf(address, more);
  const response = await source.fetch(`${address.url}/api/v1/changes${query}`, { headers, signal, cache: "no-store" });
  if (!response.ok) throw await problemIn(response);
  if (response.body === null) throw new Error("the service sent no stream");
  options.onConnect?.();
  const reader = response.body.getReader();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      silence.heard();
      yield* parser.take(value);
    }
  } finally {
    reader.cancel().catch(() => undefined); // it broke already
  }
}

/** Return what an event tells; a stream that goes on where it broke off says nothing new. */
function toldBy(event: ServerEvent, isFirst: boolean): Told | undefined {
  if (event.event === "change") return { type: "change", change: JSON.parse(event.data) as Change };
  if (event.event !== "reset" && !(event.event === "ready" && isFirst)) return undefined;
  const { last_change } = JSON.parse(event.data) as { last_change: number };
  return { type: event.event, lastChange: last_change };
}

/** Tell whether the same request would be refused again; a new service has a new token. */
function isHopeless(reason: unknown): boolean {
  const status = (reason as Partial<ProblemError> | undefined)?.status;
  return status !== undefined && status >= 400 && status < 500 && ![401, 408, 429].includes(status);
}
