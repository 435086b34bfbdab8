/** The sessions of the list: those that fit the place, page by page, or what a search found. */

import { batch, computed, effect, signal } from "@preact/signals";

import { onChange, seldom } from "../live";
import { type Filters, type Grouping, place } from "../place";
import { day } from "../text/measures";
import * as service from "../service";
import type { Groups, Hit, SessionLine } from "../service";

const PAGE = 200;
const MOST_AGAIN = 1000; // the service's largest page
const HITS = 50;
const TYPING = 120; // milliseconds after the last key

export const lines = signal<SessionLine[]>([]);
export const hits = signal<Hit[] | undefined>();
export const total = signal(0);
export const isLoading = signal(true);
export const trouble = signal("");
export const groups = signal<Groups | undefined>();

let cursor: string | null = null;
let asking = new AbortController();

/** A row of the list. */
export type Row =
  | { kind: "heading"; text: string }
  | { kind: "session"; line: SessionLine; hit?: Hit }
  | { kind: "group"; name: string; count: number; lastActivity: string | null; by: "project" | "program" };

export const rows = computed<Row[]>(() => {
  if (hits.value) return hits.value.map((hit) => ({ kind: "session", line: hit.session, hit }));
  const by = place.value.by;
  if (by !== "day" && !place.value.filters[by]) return groupRows(groups.value, by);
  return dayRows(lines.value, new Date());
});

/** Return the sessions under the headings of their days; what is pinned comes first. */
export function dayRows(sessions: SessionLine[], now: Date): Row[] {
  const made: Row[] = [];
  let heading = "";
  const pinned = sessions.filter((line) => line.pinned);
  for (const line of [...pinned, ...sessions.filter((one) => !one.pinned)]) {
    const text = line.pinned ? "Pinned" : line.undated ? "Without a date" : day(line.last_activity, now);
    if (text !== heading) made.push({ kind: "heading", text });
    heading = text;
    made.push({ kind: "session", line });
  }
  return made;
}

function groupRows(found: Groups | undefined, by: "project" | "program"): Row[] {
  const all = (by === "project" ? found?.projects : found?.programs) ?? [];
  const latest = all.toSorted((one, other) => (other.last_activity ?? "").localeCompare(one.last_activity ?? ""));
  return latest.map(({ name, count, last_activity }) => ({ kind: "group", name, count, lastActivity: last_activity, by }));
}

/** Return the filters as the service wants them. */
export function asked(filters: Filters, isSearch: boolean): Record<string, string | boolean> {
  const { archived, ...rest } = filters;
  if (archived) return { ...rest, archived: true };
  return isSearch ? rest : { ...rest, archived: false, folded: true };
}

/** Keep the list right: as the place changes, and as the folder changes. */
export function keepList(): void {
  let wasSearching = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wanted = computed(() => JSON.stringify([place.value.q, place.value.filters, place.value.by]));
  effect(() => {
    wanted.value;
    const isSearching = place.peek().q !== "";
    clearTimeout(timer);
    timer = setTimeout(() => void load(), isSearching || wasSearching ? TYPING : 0);
    wasSearching = isSearching;
  });
  const again = seldom(600, () => void load(true));
  onChange(() => again());
}

/** Load the list; again keeps what was loaded as far as it goes. */
export async function load(isAgain = false): Promise<void> {
  asking.abort();
  const controller = (asking = new AbortController());
  const { q, filters, by } = place.peek();
  isLoading.value = true;
  try {
    if (q) await search(q, filters, controller.signal);
    else await list(filters, by, isAgain ? Math.min(MOST_AGAIN, Math.max(PAGE, lines.peek().length)) : PAGE, controller.signal);
    if (!controller.signal.aborted) trouble.value = "";
  } catch (reason) {
    if (!controller.signal.aborted) trouble.value = service.toldOf(reason);
  } finally {
    if (!controller.signal.aborted) isLoading.value = false;
  }
}

async function search(q: string, filters: Filters, signal: AbortSignal): Promise<void> {
  const found = (await service.searched(q, { ...asked(filters, true), limit: HITS }, signal)) as Hit[];
  if (signal.aborted) return;
  batch(() => {
    hits.value = found;
    total.value = found.length;
  });
}

async function list(filters: Filters, by: Grouping, limit: number, signal: AbortSignal): Promise<void> {
  const [page, counted] = await Promise.all([
    service.listed({ ...asked(filters, false), limit } as never, signal),
    by === "day" && groups.peek() ? groups.peek() : service.groups(),
  ]);
  if (signal.aborted) return;
  cursor = page.next_cursor;
  batch(() => {
    groups.value = counted;
    hits.value = undefined;
    lines.value = page.sessions;
    total.value = page.total;
  });
}

/** Load the next page, if there is one. */
export async function loadMore(): Promise<void> {
  if (cursor === null || isLoading.peek() || hits.peek()) return;
  const { signal } = asking;
  const from = cursor;
  isLoading.value = true;
  try {
    const page = await service.listed({ ...asked(place.peek().filters, false), limit: PAGE, cursor: from } as never, signal);
    if (signal.aborted) return;
    cursor = page.next_cursor;
    lines.value = [...lines.peek(), ...page.sessions];
  } catch (reason) {
    if (!signal.aborted) trouble.value = service.toldOf(reason);
  } finally {
    if (!signal.aborted) isLoading.value = false;
  }
}
