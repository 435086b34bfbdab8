/** The tokens of a session, where its messages state them: a bar for each request. */

import { go } from "../place";
import type { Outline } from "../service";
import { counted } from "../text/measures";
import type { Reading } from "./reading";

const MOST_BARS = 120;
const HEIGHT = 56;

type Request = readonly [position: number, context: number, written: number];

/** Return at most so many requests: of neighbours the one with the largest context. */
export function barsOf(requests: readonly Request[], most = MOST_BARS): Request[] {
  const width = Math.ceil(requests.length / most);
  const bars: Request[] = [];
  for (let at = 0; at < requests.length; at += width) {
    bars.push(requests.slice(at, at + width).reduce((one, other) => (other[1] > one[1] ? other : one)));
  }
  return bars;
}

export function Tokens({ reading }: { reading: Reading }) {
  const usage = reading.outline.value?.usage;
  if (!usage) return null;
  return (
    <details class="fold tokens">
      <summary>
        <span class="what">Tokens</span> <span class="size">{said(usage)}</span>
      </summary>
      <Chart requests={usage.requests as unknown as Request[]} peak={usage.peak_context} />
    </details>
  );
}

function said(usage: NonNullable<Outline["usage"]>): string {
  const count = (number: number) => number.toLocaleString("en");
  const facts = [
    `${counted(usage.requests.length, "request")}`,
    `context ${count(usage.peak_context)} (peak)`,
    `written ${count(usage.written)} (sum)`,
  ];
  // The transcript states no currency.
  if (usage.cost !== null && usage.cost !== undefined) facts.push(`cost ${usage.cost.toFixed(2)} (sum, as stated)`);
  return facts.join(" · ");
}

function Chart({ requests, peak }: { requests: readonly Request[]; peak: number }) {
  const bars = barsOf(requests);
  return (
    <div class="timeline" role="group" aria-label="Context of each request">
      {bars.map(([position, context]) => {
        const text = `Message ${position + 1}: context ${context.toLocaleString("en")}`;
        const height = 3 + Math.round((context / Math.max(peak, 1)) * HEIGHT);
        return <button key={position} style={{ height: `${height}px` }} title={text} aria-label={text} onClick={() => go({ at: position }, false)} />;
      })}
    </div>
  );
}
