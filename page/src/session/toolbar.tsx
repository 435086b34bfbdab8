/** What is done while reading: what is shown, jumps, and the acts on the session. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { archive, fork, pin, trash } from "../acts/acts";
import { go, place } from "../place";
import { oneLine } from "../text/safe";
import { Export } from "./export";
import { isFinding } from "./finding";
import { Differences } from "./differences";
import type { Reading } from "./reading";
import { nextPrompt } from "./rows";

/** Which dialog of the session is open, for the keys too. */
export const dialog = signal<"export" | "compare" | undefined>();

interface Props {
  reading: Reading;
  show: (position: number) => void;
  top: () => number;
}

export function Toolbar({ reading, show, top }: Props) {
  const prompts = reading.outline.value?.prompts ?? [];
  const jump = (step: 1 | -1) => {
    const position = nextPrompt(prompts, top(), step);
    if (position !== undefined) show(position);
  };
  return (
    <div class="toolbar" role="toolbar" aria-label="Reading">
      <button class="back" onClick={() => go({ session: undefined, at: undefined })} aria-label="Back to the list">
        ←
      </button>
      <div class="tabs" role="group" aria-label="Shown">
        <button aria-pressed={!place.value.said} onClick={() => go({ said: false })}>
          Everything
        </button>
        <button aria-pressed={place.value.said} onClick={() => go({ said: true })} aria-label="Only what was said">
          <span class="long">Only what was said</span>
          <span class="short">Said</span>
        </button>
      </div>
      <div class="jumps" role="group" aria-label="Prompts">
        <button onClick={() => jump(-1)} aria-label="Previous prompt">
          ↑
        </button>
        <Prompts reading={reading} show={show} />
        <button onClick={() => jump(1)} aria-label="Next prompt">
          ↓
        </button>
      </div>
      <span class="space" />
      <button onClick={() => (isFinding.value = true)}>Find</button>
      <Acts reading={reading} />
    </div>
  );
}

function closeMenu(event: Event): void {
  (event.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
}

function Prompts({ reading, show }: Pick<Props, "reading" | "show">) {
  const prompts = reading.outline.value?.prompts ?? [];
  return (
    <details class="menu">
      <summary>
        Prompts <span class="quiet">{prompts.length}</span>
      </summary>
      <ol class="sheet prompts">
        {prompts.slice(0, 1000).map(({ position, text }) => (
          <li key={position}>
            <button
              onClick={(event) => {
                closeMenu(event);
                show(position);
              }}
            >
              {oneLine(text)}
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}

function Acts({ reading }: { reading: Reading }) {
  const open = (name: typeof dialog.value) => (dialog.value = name);
  useEffect(() => () => void open(undefined), [reading]);
  const detail = reading.detail.value;
  if (detail === undefined) return null;
  const { pinned, status, session_id: sessionId } = detail.value;
  const acts: [string, () => void][] = [
    [pinned ? "Unpin" : "Pin", () => void pin(detail)],
    [status === "archived" ? "Back from the archive" : "Archive", () => void archive(detail)],
    ["Fork all of it", () => void fork(sessionId, null)],
    ["Export…", () => open("export")],
    ["Compare…", () => open("compare")],
    ["Move to the trash", () => void trash(detail)],
  ];
  return (
    <>
      <details class="menu acts">
        <summary aria-label="Acts on this session">Acts</summary>
        <ul class="sheet">
          {acts.map(([name, act]) => (
            <li key={name}>
              <button
                onClick={(event) => {
                  closeMenu(event);
                  act();
                }}
              >
                {name}
              </button>
            </li>
          ))}
        </ul>
      </details>
      {dialog.value === "export" && <Export reading={reading} onClose={() => open(undefined)} />}
      {dialog.value === "compare" && <Differences reading={reading} onClose={() => open(undefined)} />}
    </>
  );
}
