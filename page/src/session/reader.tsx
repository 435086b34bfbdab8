/** A session that is read. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { go, place } from "../place";
import { counted } from "../text/measures";
import { type Rows, VirtualList } from "../virtual";
import { Broken } from "./broken";
import { FindBar } from "./find_bar";
import { endFinding, finding, isFinding, mark, onWords } from "./finding";
import { Head } from "./head";
import { MessageRow } from "./message";
import { Reading } from "./reading";
import { rowAt, shownPositions } from "./rows";
import { remember, seenOf } from "./seen";
import { Toolbar } from "./toolbar";

/** What is read now, for the keys. */
export const current = signal<{ reading: Reading; show: (position: number) => void; top: () => number } | undefined>();

const END = 60; // pixels from the end that still are the end
const SETTLED = 250; // milliseconds after the last scrolling

export function Reader({ sessionId }: { sessionId: string }) {
  const reading = useMemo(() => new Reading(sessionId, place.peek().at ?? 0), [sessionId]);
  useEffect(() => () => reading.close(), [reading]);
  useEffect(endFinding, [sessionId]);
  const trouble = reading.trouble.value;
  if (trouble?.code === "unreadable") return <Broken sessionId={sessionId} onRepaired={() => void reading.refresh()} />;
  if (trouble && !reading.detail.value) return <Absent text={trouble.text} />;
  return <Messages key={sessionId} reading={reading} />;
}

function Absent({ text }: { text: string }) {
  return (
    <section class="reader" aria-label="Session">
      <div class="nothing">
        <p>{text}</p>
        <button onClick={() => go({ session: undefined })}>Back to the list</button>
      </div>
    </section>
  );
}

function Messages({ reading }: { reading: Reading }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useRef<Rows>(undefined);
  const seenBefore = useMemo(() => seenOf(reading.sessionId), [reading]);
  const outline = reading.outline.value;
  const { said } = place.value;
  const positions = useMemo(() => shownPositions(outline, said), [outline, said]);
  const reach = useReach(reading, scroller, rows, positions);
  useMarks(scroller, reading);
  const unseen = outline && seenBefore !== undefined ? outline.total - Math.max(seenBefore, reach.seen.value) : 0;
  return (
    <section class="reader" aria-label="Session">
      <Toolbar reading={reading} show={reach.show} top={reach.top} />
      {isFinding.value && <FindBar reading={reading} show={reach.show} top={reach.top} />}
      <div class="scroll" ref={scroller} tabIndex={-1} onScroll={reach.scrolled}>
        <Head reading={reading} />
        {outline && (
          <VirtualList
            key={said ? "said" : "all"}
            scroller={scroller}
            rows={rows}
            role="feed"
            label="Messages"
            count={positions.length}
            estimate={(index) => estimate(outline.kinds[positions[index]!], outline.sizes[positions[index]!])}
            keyOf={(index) => positions[index] ?? index}
            draw={(index) => (
              <MessageRow reading={reading} position={positions[index]!} isNew={index > 0 && positions[index] === seenBefore} />
            )}
            onDrawn={(first, last) => reading.want(positions[first] ?? 0, positions[Math.max(last, 0)] ?? 0)}
          />
        )}
      </div>
      {unseen > 0 && !reach.isAtEnd.value && (
        <button class="pill" onClick={reach.toEnd}>
          {counted(unseen, "new message")} <span aria-hidden="true">↓</span>
        </button>
      )}
    </section>
  );
}

/** Return how high a message will be, about: a line has 80 letters. */
function estimate(kind: string | undefined, size: number | undefined): number {
  if (kind === "w") return 44;
  return 70 + Math.min(400, Math.ceil((size ?? 0) / 80)) * 26;
}

/** Where in the session the person is: it stands in the address, and is not lost when it grows. */
function useReach(
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

/** Mark what is looked for, whenever something else is drawn. */
function useMarks(scroller: { current: HTMLDivElement | null }, reading: Reading) {
  useEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    let frame = 0;
    const again = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => mark(box));
    };
    const watch = new MutationObserver(again);
    watch.observe(box, { childList: true, subtree: true, characterData: true });
    const end = onWords(again);
    return () => {
      watch.disconnect();
      cancelAnimationFrame(frame);
      end();
    };
  }, [reading, finding.value === ""]);
}
