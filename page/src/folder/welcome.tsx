/** What is beside the list while nothing is read: the keys, and when there was work in the folder. */

import { useEffect, useState } from "preact/hooks";

import { go } from "../place";
import * as service from "../service";
import type { Group } from "../service";
import { counted } from "../text/measures";

const DAYS = 90;
const DAY = 86_400_000; // milliseconds
const HEIGHT = 56;

export function Welcome() {
  return (
    <section class="nothing welcome" aria-label="Nothing open">
      <h1>Pick a session</h1>
      <p>
        <kbd>/</kbd> searches, <kbd>j</kbd> and <kbd>k</kbd> move, <kbd>Enter</kbd> opens, <kbd>?</kbd> shows all keys.
      </p>
      <Activity />
    </section>
  );
}

/** Return the last days in order, each with what its sessions are; those of UTC, as the service counts. */
export function daysOf(groups: readonly Group[], today: Date): Group[] {
  const known = new Map(groups.map((one) => [one.name, one]));
  return Array.from({ length: DAYS }, (_, index) => {
    const name = new Date(today.getTime() - (DAYS - 1 - index) * DAY).toISOString().slice(0, 10);
    return known.get(name) ?? { name, sessions: 0, messages: 0, last_activity: null };
  });
}

function Activity() {
  const [groups, setGroups] = useState<Group[]>([]);
  useEffect(() => {
    const since = new Date(Date.now() - DAYS * DAY).toISOString();
    // The list says it when the service does not answer.
    service.groups("day", { since, folded: true }).then(setGroups, () => setGroups([]));
  }, []);
  const days = daysOf(groups, new Date());
  const sum = (of: "sessions" | "messages") => days.reduce((total, one) => total + one[of], 0);
  if (sum("sessions") === 0) return null;
  const most = Math.max(...days.map((one) => one.sessions));
  return (
    <figure class="activity">
      <div class="timeline" role="group" aria-label="Sessions by the day of their last activity">
        {days.map((one) => {
          if (one.sessions === 0) return <span key={one.name} />;
          const text = `${one.name}: ${counted(one.sessions, "session")}, ${counted(one.messages, "message")}`;
          const height = `${4 + Math.round((one.sessions / most) * HEIGHT)}px`;
          return <button key={one.name} style={{ height }} title={text} aria-label={text} onClick={() => showDay(one.name)} />;
        })}
      </div>
      <figcaption>
        {DAYS} days · {counted(sum("sessions"), "session")} by the day of their last activity · {counted(sum("messages"), "message")} (sum)
      </figcaption>
    </figure>
  );
}

function showDay(day: string): void {
  go({ by: "day", q: "", filters: { since: `${day}T00:00:00Z`, until: `${day}T23:59:59Z` } });
}
