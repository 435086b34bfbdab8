/** The head of a session: its title, large, what it is, its tags, and who belongs to it. */

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";

import { rename, tag, untag } from "../acts/acts";
import { addressOf } from "../place";
import type { SessionDetail, SessionLine, Versioned } from "../service";
import { ago, counted, folderName, moment, size } from "../text/measures";
import { oneLine } from "../text/safe";
import { Lanes } from "./lanes";
import type { Reading } from "./reading";
import { Timeline } from "./timeline";
import { Tokens } from "./tokens";

/** Which field of the head is being written, for the keys too. */
export const writing = signal<"title" | "tag" | undefined>();

export function Head({ reading }: { reading: Reading }) {
  const detail = reading.detail.value;
  if (detail === undefined) return <header class="head" aria-busy="true" />;
  const session = detail.value;
  return (
    <header class="head">
      <Title detail={detail} />
      <p class="facts">
        {facts(session).map(([text, title]) => (
          <span key={text} title={oneLine(title)}>
            {oneLine(text)}
          </span>
        ))}
      </p>
      <Tags detail={detail} />
      <Related session={session} started={reading.children.value} />
      <Timeline reading={reading} />
      <Lanes reading={reading} />
      <Tokens reading={reading} />
    </header>
  );
}

function facts(session: SessionDetail): [string, string][] {
  const all: [string | null | false, string][] = [
    [session.project && folderName(session.project), session.project ?? ""],
    [session.branch, "branch"],
    [session.program, "program"],
    [session.undated ? "no date" : ago(session.last_activity, new Date()), moment(session.last_activity)],
    [counted(session.message_count, "message"), ""],
    [size(session.size_bytes), ""],
    [session.pinned && "pinned", ""],
    [session.status !== "active" && session.status, "status"],
  ];
  return all.filter((one): one is [string, string] => Boolean(one[0]));
}

function Title({ detail }: { detail: Versioned<SessionDetail> }) {
  const { title } = detail.value;
  if (writing.value === "title") {
    return (
      <form
        class="title"
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = new FormData(event.currentTarget).get("title");
          writing.value = undefined;
          if (typeof wanted === "string" && wanted !== title) void rename(detail, wanted);
        }}
      >
        <input name="title" aria-label="Title" value={title} autofocus ref={focused} onKeyDown={leave} onBlur={() => (writing.value = undefined)} />
      </form>
    );
  }
  return (
    <h1>
      <button class="title" title="Rename" onClick={() => (writing.value = "title")}>
        {oneLine(title) || "Without a title"}
      </button>
    </h1>
  );
}

function Tags({ detail }: { detail: Versioned<SessionDetail> }) {
  return (
    <ul class="chips" aria-label="Tags">
      {detail.value.tags.map((name) => (
        <li key={name}>
          <button onClick={() => void untag(detail, name)} aria-label={`Remove the tag ${oneLine(name)}`}>
            {oneLine(name)} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      <li>{writing.value === "tag" ? <TagForm detail={detail} /> : <button onClick={() => (writing.value = "tag")}>+ tag</button>}</li>
    </ul>
  );
}

function TagForm({ detail }: { detail: Versioned<SessionDetail> }) {
  const [name, setName] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        writing.value = undefined;
        if (name.trim()) void tag(detail, name.trim());
      }}
    >
      <input aria-label="New tag" value={name} ref={focused} onInput={(event) => setName(event.currentTarget.value)} onKeyDown={leave} onBlur={() => (writing.value = undefined)} />
    </form>
  );
}

function focused(input: HTMLInputElement | null): void {
  if (input && document.activeElement !== input) {
    input.focus();
    input.select();
  }
}

function leave(event: KeyboardEvent): void {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  writing.value = undefined;
}

/** The sub-agents and forks of a session, folded under it; and what it comes from. */
function Related({ session, started }: { session: SessionDetail; started: SessionLine[] }) {
  if (!session.parent && started.length === 0) return null;
  return (
    <div class="related">
      {session.parent && (
        <p>
          From <a href={addressOf(session.parent)}>{oneLine(session.parent)}</a>
        </p>
      )}
      {started.length > 0 && (
        <details class="fold">
          <summary>
            <span class="what">{started.length === 1 ? "1 sub-agent or fork" : `${started.length} sub-agents and forks`}</span>
          </summary>
          <ul>
            {started.map((line) => (
              <li key={line.session_id}>
                <a href={addressOf(line.session_id)}>{oneLine(line.title) || oneLine(line.session_id)}</a>{" "}
                <span class="quiet">{counted(line.message_count, "message")}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
