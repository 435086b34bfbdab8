/** Which line of the list the keys are on. */

import { computed, signal } from "@preact/signals";

import { place } from "../place";
import { rows } from "./sessions";

const moved = signal<string | undefined>();

export const chosen = computed(() => moved.value ?? place.value.session);

export function choose(sessionId: string | undefined): void {
  moved.value = sessionId;
}

/** Move to the next session, or the one before; return its row. */
export function move(step: 1 | -1): number | undefined {
  const all = rows.value;
  let at = all.findIndex((row) => row.kind === "session" && row.line.session_id === chosen.value);
  if (at < 0 && step < 0) return undefined;
  do at += step;
  while (all[at] !== undefined && all[at]?.kind !== "session");
  const row = all[at];
  if (row?.kind !== "session") return undefined;
  choose(row.line.session_id);
  return at;
}
