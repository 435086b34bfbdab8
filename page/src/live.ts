/** What happens in the folder, as it happens: one stream for the whole page. */

import { signal } from "@preact/signals";

import { type Change, client } from "./service";

type Listener = (change: Change | undefined) => void;

const listeners = new Set<Listener>();

/** Whether the stream is there. */
export const isLive = signal(false);

/** Be told of each change, and with undefined that some were missed; returns what ends it. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Follow until the page is closed. */
export async function followChanges(onEnd: (reason: unknown) => void): Promise<void> {
  try {
    const options = { onBreak: () => void (isLive.value = false) };
    for await (const told of client.follow(options)) {
      isLive.value = true;
      for (const listener of [...listeners]) listener(told.type === "change" ? told.change : undefined);
    }
  } catch (reason) {
    isLive.value = false;
    onEnd(reason);
  }
}

/** Return an act that is done at most once in so many milliseconds, and always after the last call. */
export function seldom(milliseconds: number, act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      act();
    }, milliseconds);
  };
}
