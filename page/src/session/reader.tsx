/** A session that is read. */

import { useEffect, useMemo, useRef } from "preact/hooks";

import { go, place } from "../place";
import { counted } from "../text/measures";
import { type Rows, VirtualList } from "../virtual";
import { Broken } from "./broken";
import { FindBar } from "./find_bar";
import { endFinding, finding, isFinding, mark, onWords } from "./finding";
import { Head } from "./head";
import { MessageRow } from "./message";
import { useReach } from "./reach";
import { Reading } from "./reading";
import { shownPositions } from "./rows";
import { seenOf } from "./seen";
import { Toolbar } from "./toolbar";

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
