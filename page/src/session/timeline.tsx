/** When a session happened: a bar for each while, prompts in colour; a click goes there. */

import { go } from "../place";
import type { Outline } from "../service";
import { counted, lasting, moment } from "../text/measures";
import type { Reading } from "./reading";

const BARS = 60;
const HEIGHT = 28;

interface Bar {
  /** The first message of this while. */
  position: number;
  count: number;
  prompts: number;
  at: number | null;
}

/** Return a session cut into whiles of the same time; empty if it has no times, or is short. */
export function barsOf(outline: Pick<Outline, "at" | "kinds">): Bar[] {
  const times = outline.at.filter((at): at is number => at !== null);
  const [first, last] = [Math.min(...bounds(times)), Math.max(...bounds(times))];
  if (times.length < 8 || last - first < 60) return [];
  const bars = new Map<number, Bar>();
  outline.at.forEach((at, position) => {
    if (at === null) return;
    const place = Math.min(BARS - 1, Math.floor(((at - first) / (last - first)) * BARS));
    const bar = bars.get(place) ?? { position, count: 0, prompts: 0, at: first + (place * (last - first)) / BARS };
    bar.count += 1;
    bar.prompts += outline.kinds[position] === "p" ? 1 : 0;
    bars.set(place, bar);
  });
  const none: Bar = { position: -1, count: 0, prompts: 0, at: null };
  return Array.from({ length: BARS }, (_, place) => bars.get(place) ?? none);
}

/** The least and the most, of lists that are too long for arguments. */
function bounds(times: number[]): [number, number] {
  return times.reduce(([least, most], at) => [Math.min(least, at), Math.max(most, at)], [Infinity, -Infinity] as [number, number]);
}

export function Timeline({ reading }: { reading: Reading }) {
  const outline = reading.outline.value;
  const bars = outline ? barsOf(outline) : [];
  if (bars.length === 0) return null;
  const most = Math.max(...bars.map((bar) => bar.count));
  const began = bars.map((bar) => bar.at).filter((at) => at !== null);
  const [first, last] = [began[0]!, began.at(-1)!];
  return (
    <>
    <div class="timeline" role="group" aria-label="Timeline: messages over time">
      {bars.map((bar, index) =>
        bar.count === 0 ? (
          <span key={index} />
        ) : (
          <button
            key={index}
            class={bar.prompts > 0 ? "prompted" : ""}
            style={{ height: `${4 + Math.round((bar.count / most) * HEIGHT)}px` }}
            onClick={() => go({ at: bar.position }, false)}
            aria-label={textOf(bar)}
            title={textOf(bar)}
          />
        ),
      )}
    </div>
    <p class="scale">
      <span>{clock(first)}</span>
      <span>messages (sum), {lasting((last - first) / (BARS - 1))} a bar</span>
      <span>{clock(last)}</span>
    </p>
    </>
  );
}

const textOf = (bar: Bar) => `${clock(bar.at!)}: ${counted(bar.count, "message")}`;
const clock = (seconds: number) => moment(new Date(seconds * 1000).toISOString());
