/** The list: search, filters, and the sessions or groups that fit. */

import { useRef } from "preact/hooks";

import { addressOf, go, place } from "../place";
import { ago, counted, folderName } from "../text/measures";
import { Marked } from "../text/marked";
import { oneLine } from "../text/safe";
import { type Rows, VirtualList } from "../virtual";
import { Filters } from "./filters";
import { chosen, choose } from "./choice";
import { drawnTo, hits, isLoading, type Row, rows, total, trouble } from "./sessions";

const HEIGHTS = { heading: 38, session: 62, group: 58 };

export const listRows: { current: Rows | undefined } = { current: undefined };

export function List() {
  const scroller = useRef<HTMLDivElement>(null);
  const all = rows.value;
  return (
    <section class="list" aria-label="Sessions">
      <Search />
      <Filters />
      <p class="count" role="status">
        {trouble.value || said()}
      </p>
      <div class="scroll" ref={scroller} tabIndex={-1}>
        <VirtualList
          scroller={scroller}
          rows={listRows}
          count={all.length}
          estimate={(index) => (all[index]?.kind === "session" && hits.value ? 104 : HEIGHTS[all[index]?.kind ?? "session"])}
          keyOf={(index) => keyOf(all[index], index)}
          draw={(index) => <ListRow row={all[index]} />}
          onDrawn={(_, last) => void (drawnTo.value = last)}
          label="Sessions"
          overscan={10}
        />
        {all.length === 0 && !isLoading.value && !trouble.value && <Nothing />}
      </div>
    </section>
  );
}

function said(): string {
  if (hits.value) return hits.value.length === 50 ? "The best 50 hits" : counted(total.value, "hit");
  const { by, filters } = place.value;
  if (by !== "day" && !filters[by]) return counted(rows.value.length, by);
  return isLoading.value && rows.value.length === 0 ? "Reading…" : counted(total.value, "session");
}

function keyOf(row: Row | undefined, index: number): string {
  if (row === undefined) return String(index);
  if (row.kind === "session") return `s ${row.line.session_id}`;
  return row.kind === "group" ? `g ${row.group.name}` : `h ${row.text} ${index}`;
}

function Search() {
  return (
    <div class="search" role="search" aria-label="All sessions">
      <input
        id="search"
        type="search"
        placeholder="Search everything"
        aria-label="Search everything"
        autocomplete="off"
        spellcheck={false}
        value={place.value.q}
        onInput={(event) => go({ q: event.currentTarget.value }, false)}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function Nothing() {
  const isFiltered = place.value.q !== "" || Object.keys(place.value.filters).length > 0;
  if (isFiltered) {
    return (
      <div class="nothing">
        <p>Nothing fits.</p>
        <button onClick={() => go({ q: "", filters: {} })}>Show all sessions</button>
      </div>
    );
  }
  return (
    <div class="nothing">
      <p>No sessions yet.</p>
      <button class="strong" onClick={() => go({ view: "import", session: undefined })}>
        Bring in the chats of this machine
      </button>
    </div>
  );
}

function ListRow({ row }: { row: Row | undefined }) {
  if (row === undefined) return null;
  if (row.kind === "heading") return <h2 class="day">{row.text}</h2>;
  return row.kind === "group" ? <GroupLine row={row} /> : <SessionLine row={row} />;
}

function GroupLine({ row: { group, by } }: { row: Row & { kind: "group" } }) {
  const name = oneLine(group.name);
  const open = () => go({ filters: { ...place.value.filters, [by]: group.name } });
  return (
    <button class="line group" onClick={open} title={name}>
      <span class="title">{(by === "project" ? oneLine(folderName(group.name)) : name) || "Without a name"}</span>
      <span class="when">{group.last_activity && ago(group.last_activity, new Date())}</span>
      <span class="facts">
        {counted(group.sessions, "session")}
        {by === "project" && ` · ${name}`}
      </span>
    </button>
  );
}

function SessionLine({ row }: { row: Row & { kind: "session" } }) {
  const { line, hit } = row;
  const isOpen = place.value.session === line.session_id;
  const at = hit?.position ?? undefined;
  const className = `line${isOpen ? " open" : ""}${chosen.value === line.session_id ? " chosen" : ""}${line.unreadable ? " broken" : ""}`;
  return (
    <a
      class={className}
      href={addressOf(line.session_id, at)}
      aria-current={isOpen ? "page" : undefined}
      data-session={line.session_id}
      onClick={() => choose(line.session_id)}
    >
      <span class="title">{oneLine(line.title) || (line.unreadable ? oneLine(line.session_id) : "Without a title")}</span>
      <time class="when" dateTime={line.last_activity}>
        {line.undated ? "" : ago(line.last_activity, new Date())}
      </time>
      <span class="facts">{factsOf(line)}</span>
      {hit && hit.snippet && (
        <span class="snippet">
          <Marked text={hit.snippet} places={hit.highlights as [number, number][]} />
        </span>
      )}
    </a>
  );
}

function factsOf(line: (Row & { kind: "session" })["line"]): string {
  if (line.unreadable) {
    return oneLine(`Cannot be read${line.fault?.line ? `, line ${line.fault.line}` : ""}: ${line.unreadable}`);
  }
  const facts = [line.project && folderName(line.project), line.program, ...line.tags.map((tag) => `#${tag}`)];
  return oneLine([...facts.filter(Boolean), counted(line.message_count, "message")].join(" · "));
}
