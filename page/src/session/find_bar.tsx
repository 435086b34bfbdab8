/** Find in the session. */

import { at, endFinding, find, finding, places, step, total, trouble } from "./finding";
import type { Reading } from "./reading";

interface Props {
  reading: Reading;
  show: (position: number) => void;
  top: () => number;
}

export function FindBar({ reading, show, top }: Props) {
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1, show);
    if (event.key !== "Escape") return;
    event.stopPropagation();
    endFinding();
  };
  return (
    <div class="find" role="search" aria-label="This session">
      <input
        type="search"
        aria-label="Find in this session"
        placeholder="Find in this session"
        ref={focused}
        value={finding.value}
        onInput={(event) => find(reading.sessionId, event.currentTarget.value, top(), show)}
        onKeyDown={keys}
      />
      <span role="status" class="quiet">
        {trouble.value || said()}
      </span>
      <button onClick={() => step(-1, show)} aria-label="Previous place">
        ↑
      </button>
      <button onClick={() => step(1, show)} aria-label="Next place">
        ↓
      </button>
      <button onClick={endFinding} aria-label="End finding">
        ×
      </button>
    </div>
  );
}

function focused(input: HTMLInputElement | null): void {
  if (!document.activeElement?.closest(".find")) input?.focus();
}

function said(): string {
  if (!finding.value) return "";
  return places.value.length === 0 ? "nowhere" : `${at.value + 1} of ${total.value} messages`;
}
