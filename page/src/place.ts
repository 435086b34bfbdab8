/** Where the person is: all of it stands in the fragment of the address, so that it can be kept and sent. */

import { computed, signal } from "@preact/signals";

/** The filters of the list, by the names of the service. */
export const FILTERS = ["project", "program", "branch", "tag", "since", "until", "pinned", "archived", "unreadable"] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filters = Partial<Record<FilterName, string>>;
export type Grouping = "day" | "project" | "program";

export interface Place {
  /** What is searched for; empty if nothing is. */
  q: string;
  filters: Filters;
  by: Grouping;
  /** The session that is read. */
  session: string | undefined;
  /** The message that is in view. */
  at: number | undefined;
  /** Everything, or only what was said. */
  said: boolean;
  /** A page of its own beside the list. */
  view: "trash" | "import" | undefined;
}

const NOWHERE: Place = {
  q: "",
  filters: {},
  by: "day",
  session: undefined,
  at: undefined,
  said: false,
  view: undefined,
};

/** Read a place from a fragment, whatever stands there. */
export function parsePlace(fragment: string): Place {
  const [path = "", query = ""] = split(fragment.replace(/^#/, ""), "?");
  const asked = new URLSearchParams(query);
  const filters: Filters = {};
  for (const name of FILTERS) {
    const value = asked.get(name);
    if (value) filters[name] = value;
  }
  const by = asked.get("by");
  const at = asked.get("at");
  return {
    q: asked.get("q") ?? "",
    filters,
    by: by === "project" || by === "program" ? by : "day",
    session: path.startsWith("/s/") ? decoded(path.slice(3)) : undefined,
    at: at !== null && /^\d{1,9}$/.test(at) ? Number(at) : undefined,
    said: asked.get("said") === "1",
    view: path === "/trash" ? "trash" : path === "/import" ? "import" : undefined,
  };
}

/** Write a place as a fragment. */
export function formatPlace(place: Place): string {
  const asked = new URLSearchParams();
  if (place.q) asked.set("q", place.q);
  for (const name of FILTERS) {
    const value = place.filters[name];
    if (value) asked.set(name, value);
  }
  if (place.by !== "day") asked.set("by", place.by);
  if (place.session !== undefined && place.at !== undefined) asked.set("at", String(place.at));
  if (place.said) asked.set("said", "1");
  const path = place.session !== undefined ? `/s/${encodeURIComponent(place.session)}` : `/${place.view ?? ""}`;
  const query = asked.toString();
  return `#${path}${query ? `?${query}` : ""}`;
}

export const place = signal<Place>(NOWHERE);
export const session = computed(() => place.value.session);
export const query = computed(() => place.value.q);

/** Go somewhere; `isStep` makes it a step that the browser's Back undoes. */
export function go(change: Partial<Place>, isStep = true): void {
  const next = { ...place.peek(), ...change };
  const address = formatPlace(next);
  if (address === formatPlace(place.peek())) return;
  place.value = next;
  if (isStep) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/** Return the address of a session. */
export function addressOf(sessionId: string, at?: number): string {
  return formatPlace({ ...place.value, session: sessionId, at, view: undefined });
}

/** Follow the address. */
export function followAddress(): void {
  const read = () => {
    place.value = parsePlace(location.hash);
  };
  window.addEventListener("popstate", read);
  window.addEventListener("hashchange", read);
  read();
}

function split(text: string, sign: string): [string, string] {
  const at = text.indexOf(sign);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
