/** Where in the session the person is: how far they have read, what is in view, and getting elsewhere. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { go, place } from "../place";
import type { Rows } from "../virtual";
import type { Reading } from "./reading";
import { rowAt } from "./rows";
import { remember } from "./seen";

/** What is read now, for the keys. */
export const current = signal<{ reading: Reading; show: (position: number) => void; top: () => number } | undefined>();

const END = 60; // pixels from the end that still are the end
const SETTLED = 250; // milliseconds after the last scrolling

/** Return what moves in a session; the place stands in the address, and is not lost when it grows. */
export function useReach(
  reading: Reading,
  scroller: { current: HTMLDivElement | null },
  rows: { current: Rows | undefined },
  positions: readonly number[],
) {
  const state = useMemo(() => ({ written: undefined as number | undefined, timer: 0, last: 0, seen: signal(0), isAtEnd: signal(false) }), [reading]);
  const latest = useRef(positions);
  latest.current = positions;
  const total = reading.outline.value?.total;

  const top = () => {
    const offset = scroller.current?.scrollTop ?? 0;
    return latest.current[rows.current?.getVirtualItemForOffset(offset + 80)?.index ?? 0] ?? 0;
  };
  const show = (position: number) => {
    state.written = position;
    go({ at: position }, false);
    if (place.peek().said && !shows(latest.current, position)) go({ said: false }, false);
    // Rows above are measured as they come: the second time it is exact.
    const there = () => rows.current?.scrollToIndex(rowAt(latest.current, position), { align: "start" });
    there();
    requestAnimationFrame(() => {
      there();
      requestAnimationFrame(there);
    });
  };
  const toEnd = () => rows.current?.scrollToIndex(latest.current.length - 1, { align: "end" });
  const settled = () => {
    const at = top();
    state.written = at;
    if (place.peek().session === reading.sessionId) go({ at: at || undefined }, false);
    remember(reading.sessionId, state.seen.peek());
  };
  const scrolled = () => {
    const box = scroller.current;
    if (!box) return;
    // Who is at the end stays there while it grows, until they scroll up.
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < END;
    if (isAtEnd || box.scrollTop < state.last) state.isAtEnd.value = isAtEnd;
    state.last = box.scrollTop;
    const bottom = rows.current?.getVirtualItemForOffset(box.scrollTop + box.clientHeight);
    const reached = (latest.current[bottom?.index ?? 0] ?? 0) + 1;
    if (reached > state.seen.peek()) state.seen.value = reached;
    clearTimeout(state.timer);
    state.timer = window.setTimeout(settled, SETTLED);
  };

  // A place of the address, when the session is there and when the address changes.
  const at = place.value.at;
  useEffect(() => {
    if (total !== undefined && at !== undefined && at !== state.written) show(at);
  }, [at, total === undefined]);
  // What comes at the end is followed by who is there; who reads elsewhere is left alone.
  useLayoutEffect(() => {
    if (total === undefined) return;
    reading.want(positions[rows.current?.range?.startIndex ?? 0] ?? 0, positions[rows.current?.range?.endIndex ?? 0] ?? 0);
    scrolled();
  }, [reading.outline.value]);
  useEffect(() => {
    const box = scroller.current;
    const list = box?.querySelector(".rows");
    if (!box || !list) return undefined;
    const watch = new ResizeObserver(() => {
      if (state.isAtEnd.peek() && state.seen.peek() > 0) box.scrollTop = box.scrollHeight;
    });
    watch.observe(list);
    return () => watch.disconnect();
  }, [reading, total === undefined, place.value.said]);
  useEffect(() => () => clearTimeout(state.timer), [reading]);
  useLayoutEffect(() => {
    current.value = { reading, show, top };
    return () => {
      if (current.peek()?.reading === reading) current.value = undefined; // the next one may be here already
    };
  }, [reading]);
  return { ...state, top, show, toEnd, scrolled };
}

function shows(positions: readonly number[], position: number): boolean {
  return positions[rowAt(positions, position)] === position;
}
