/** The sessions of the list: those that fit the place, page by page, or what a search found. */

import { batch, computed, effect, signal } from "@preact/signals";

import { onChange, seldom } from "../live";
import { type Filters, type Grouping, type Place, place } from "../place";
import { day } from "../text/measures";
import * as service from "../service";
import type { Group, Hit, SessionLine } from "../service";

const PAGE = 200;
const MOST_AGAIN = 1000; // the service's largest page
const HITS = 50;
const TYPING = 120; // milliseconds after the last key
const AHEAD = 40; // rows before the end at which the next page is asked for

export const lines = signal<SessionLine[]>([]);
export const hits = signal<Hit[] | undefined>();
export const total = signal(0);
export const isLoading = signal(true);
export const trouble = signal("");
/** The groups of the tab, if it shows groups. */
export const groups = signal<Group[]>([]);

/** The last row that is drawn. */
export const drawnTo = signal(0);

const NO_SESSIONS = { sessions: [], total: 0, next_cursor: null };

let cursor: string | null = null;
let asking = new AbortController();

/** A row of the list. */
export type Row =
  | { kind: "heading"; text: string }
  | { kind: "session"; line: SessionLine; hit?: Hit }
  | { kind: "group"; group: Group; by: "project" | "program" };

export const rows = computed<Row[]>(() => {
  if (hits.value) return hits.value.map((hit) => ({ kind: "session", line: hit.session, hit }));
  const { by } = place.value;
  if (showsGroups(place.value)) return latestFirst(groups.value).map((group) => ({ kind: "group", group, by: by as "project" | "program" }));
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

/** Tell whether groups are listed, and not the sessions of one. */
function showsGroups({ by, filters }: Pick<Place, "by" | "filters">): boolean {
  return by !== "day" && !filters[by];
}

function latestFirst(found: readonly Group[]): Group[] {
  return found.toSorted((one, other) => (other.last_activity ?? "").localeCompare(one.last_activity ?? ""));
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
  // Also when what was asked for was given up, since the folder changed.
  effect(() => {
    if (drawnTo.value >= rows.value.length - AHEAD && !isLoading.value && !trouble.value) void loadMore();
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
  const query = asked(filters, false);
  const found = showsGroups({ by, filters }) ? await service.groups(by, query, signal) : [];
  const page = showsGroups({ by, filters }) ? NO_SESSIONS : await service.listed({ ...query, limit } as never, signal);
  if (signal.aborted) return;
  cursor = page.next_cursor;
  batch(() => {
    groups.value = found;
    hits.value = undefined;
    lines.value = page.sessions;
    total.value = page.total;
  });
}

/** Load the next page, if there is one. */
async function loadMore(): Promise<void> {
  if (cursor === null || hits.peek()) return;
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
