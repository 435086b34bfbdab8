/** How the list is put together: by day, project or program, and what is left out. */

import { batch, signal } from "@preact/signals";

import { type FilterName, go, type Grouping, place } from "../place";
import { folderName } from "../text/measures";
import { oneLine } from "../text/safe";
import * as service from "../service";
import type { Group } from "../service";

const CHOSEN = ["project", "program", "tag"] as const;
type Chosen = (typeof CHOSEN)[number];

/** What can be chosen; asked for when the person looks. */
const choices = signal<Record<Chosen, Group[]>>({ project: [], program: [], tag: [] });
const trouble = signal("");

const GROUPINGS: [Grouping, string][] = [
  ["day", "Days"],
  ["project", "Projects"],
  ["program", "Programs"],
];

export function Filters() {
  return (
    <div class="filters">
      <div class="tabs" role="group" aria-label="Put together by">
        {GROUPINGS.map(([by, name]) => (
          <button key={by} aria-pressed={place.value.by === by} onClick={() => go({ by, filters: without(by), q: "" })}>
            {name}
          </button>
        ))}
      </div>
      <More />
      <Chips />
    </div>
  );
}

/** A tab of groups begins with all groups. */
function without(by: Grouping) {
  const { [by as FilterName]: _, ...rest } = place.peek().filters;
  return rest;
}

function set(name: FilterName, value: string): void {
  const { [name]: _, ...rest } = place.peek().filters;
  go({ filters: value ? { ...rest, [name]: value } : rest });
}

function More() {
  const { filters } = place.value;
  return (
    <details class="menu" onToggle={(event) => void (event.currentTarget.open && ask())}>
      <summary>Filter</summary>
      <div class="sheet">
        {trouble.value && <p role="alert">{trouble.value}</p>}
        <Choice name="project" label="Project" />
        <Choice name="program" label="Program" />
        <Choice name="tag" label="Tag" />
        <label>
          <span>Since</span>
          <input
            type="date"
            value={filters.since?.slice(0, 10) ?? ""}
            onChange={(event) => set("since", event.currentTarget.value && `${event.currentTarget.value}T00:00:00Z`)}
          />
        </label>
        <label>
          <span>Until</span>
          <input
            type="date"
            value={filters.until?.slice(0, 10) ?? ""}
            onChange={(event) => set("until", event.currentTarget.value && `${event.currentTarget.value}T23:59:59Z`)}
          />
        </label>
        <Tick name="pinned" label="Only pinned" />
        <Tick name="archived" label="Archived" />
        <Tick name="unreadable" label="Only broken files" />
      </div>
    </details>
  );
}

async function ask(): Promise<void> {
  try {
    const [project, program, tag] = await Promise.all(CHOSEN.map((by) => service.groups(by)));
    batch(() => {
      choices.value = { project: project!, program: program!, tag: tag! };
      trouble.value = "";
    });
  } catch (reason) {
    trouble.value = service.toldOf(reason);
  }
}

function Choice({ name, label }: { name: Chosen; label: string }) {
  const chosen = place.value.filters[name];
  const among = choices.value[name];
  const isListed = !chosen || among.some((one) => one.name === chosen);
  return (
    <label>
      <span>{label}</span>
      <select value={chosen ?? ""} onChange={(event) => set(name, event.currentTarget.value)}>
        <option value="">all</option>
        {!isListed && <option value={chosen}>{chip(name, chosen)}</option>}
        {among.map((one) => (
          <option key={one.name} value={one.name}>
            {oneLine(name === "project" ? folderName(one.name) : one.name)} ({one.sessions})
          </option>
        ))}
      </select>
    </label>
  );
}

function Tick({ name, label }: { name: FilterName; label: string }) {
  return (
    <label class="tick">
      <input type="checkbox" checked={place.value.filters[name] === "true"} onChange={(event) => set(name, event.currentTarget.checked ? "true" : "")} />
      <span>{label}</span>
    </label>
  );
}

function Chips() {
  const chosen = Object.entries(place.value.filters) as [FilterName, string][];
  if (chosen.length === 0) return null;
  return (
    <ul class="chips" aria-label="Filters">
      {chosen.map(([name, value]) => (
        <li key={name}>
          <button onClick={() => set(name, "")} aria-label={`Remove the filter ${name}`} title={oneLine(value)}>
            {chip(name, value)} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function chip(name: FilterName, value: string): string {
  if (value === "true") return name === "unreadable" ? "broken" : name;
  if (name === "project") return oneLine(folderName(value));
  return name === "since" || name === "until" ? `${name} ${value.slice(0, 10)}` : oneLine(value);
}
