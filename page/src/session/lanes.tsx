/** Who worked when: the runs, the current agents, and the sessions that this one started. */

import { go } from "../place";
import type { Outline, SessionLine } from "../service";
import { counted, moment } from "../text/measures";
import { oneLine } from "../text/safe";
import type { Reading } from "./reading";

const MOST_LANES = 12;
const MOST_BARS = 300;
const FAILED = /error|fail|cancel/i;

/** A bar of a lane, from and to a place between 0 and 1. */
interface Bar {
  from: number;
  to: number;
  text: string;
  isBad: boolean;
  open: (() => void) | undefined;
}

export interface Lane {
  name: string;
  bars: Bar[];
}

interface Worked {
  lane: string;
  text: string;
  isBad: boolean;
  begin: number | null;
  end: number | null;
  open: (() => void) | undefined;
}

/** Return the lanes of a session; by the clock if anything has a time, else by its messages. */
export function lanesOf(outline: Pick<Outline, "spans" | "total">, started: readonly SessionLine[]): Lane[] {
  const timed = [...outline.spans.map(ofSpan), ...started.map(ofSession)].filter((one) => one.begin !== null);
  const worked = timed.length > 0 ? timed : outline.spans.filter((one) => one.first !== null).map(byPosition);
  const first = worked.reduce((least, one) => Math.min(least, one.begin!), Infinity);
  const last = worked.reduce((most, one) => Math.max(most, one.end ?? one.begin!), -Infinity);
  const lanes = new Map<string, Lane>();
  for (const { lane, begin, end, ...rest } of worked) {
    const place = (at: number) => (last === first ? 0 : (at - first) / (last - first));
    const known = lanes.get(lane) ?? { name: lane, bars: [] };
    lanes.set(lane, known);
    known.bars.push({ ...rest, from: place(begin!), to: last === first ? 1 : place(end ?? begin!) });
  }
  return [...lanes.values()];
}

function ofSpan(span: Outline["spans"][number]): Worked {
  const isRun = span.kind === "run";
  const status = span.status ? `, ${span.status.toLowerCase()}` : "";
  const times = span.begin === null ? "" : `: ${clock(span.begin)}${span.end !== null && span.end !== span.begin ? ` to ${clock(span.end)}` : ""}`;
  return {
    lane: isRun ? span.name : "Current agent",
    text: oneLine(`${isRun ? "Run of " : ""}${span.name}${status}${times}`),
    isBad: FAILED.test(span.status ?? ""),
    begin: span.begin,
    end: span.end,
    open: span.first === null ? undefined : () => go({ at: span.first! }, false),
  };
}

function byPosition(span: Outline["spans"][number]): Worked {
  return { ...ofSpan(span), begin: span.first, end: span.last };
}

function ofSession(line: SessionLine): Worked {
  const name = line.title || line.session_id;
  const [begin, end] = [Date.parse(line.created_at) / 1000, Date.parse(line.last_activity) / 1000];
  const hasTime = !line.undated && begin <= end;
  return {
    lane: name,
    text: oneLine(`${name}: ${counted(line.message_count, "message")}`),
    isBad: false,
    begin: hasTime ? begin : null,
    end: hasTime ? end : null,
    open: () => go({ session: line.session_id, at: undefined }),
  };
}

const clock = (seconds: number) => moment(new Date(seconds * 1000).toISOString());

export function Lanes({ reading }: { reading: Reading }) {
  const outline = reading.outline.value;
  const lanes = outline ? lanesOf(outline, reading.children.value) : [];
  if (!outline || lanes.length === 0) return null;
  const runs = outline.spans.filter((one) => one.kind === "run").length;
  const facts = [runs > 0 && counted(runs, "run"), counted(lanes.length, "lane")].filter(Boolean);
  return (
    <details class="fold lanes">
      <summary>
        <span class="what">Runs and agents</span> <span class="size">{facts.join(" · ")}</span>
      </summary>
      <ul aria-label="Runs and agents over time">
        {lanes.slice(0, MOST_LANES).map((lane) => (
          <LaneRow key={lane.name} lane={lane} />
        ))}
      </ul>
      {lanes.length > MOST_LANES && <p class="quiet">and {lanes.length - MOST_LANES} more</p>}
    </details>
  );
}

function LaneRow({ lane }: { lane: Lane }) {
  return (
    <li>
      <span class="name" title={oneLine(lane.name)}>
        {oneLine(lane.name)}
      </span>
      <span class="lane">
        {lane.bars.slice(0, MOST_BARS).map((bar, index) => (
          <button
            key={index}
            class={bar.isBad ? "bad" : ""}
            style={{ left: `${bar.from * 100}%`, width: `${(bar.to - bar.from) * 100}%` }}
            disabled={bar.open === undefined}
            onClick={bar.open}
            title={bar.text}
            aria-label={bar.text}
          />
        ))}
      </span>
    </li>
  );
}
