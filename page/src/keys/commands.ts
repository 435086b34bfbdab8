/** All commands: for the keys, and for the palette. */

import { signal } from "@preact/signals";

import { archive, fork, pin, trash, undo } from "../acts/acts";
import { chosen, move } from "../list/choice";
import { listRows } from "../list/list";
import { go, place } from "../place";
import { isFinding } from "../session/finding";
import { writing } from "../session/head";
import { current } from "../session/reach";
import { nextPrompt } from "../session/rows";
import { dialog } from "../session/toolbar";
import { turnTheme } from "../theme";

export const isPaletteOpen = signal(false);

export interface Command {
  name: string;
  /** As tinykeys has it. */
  keys: string;
  act: () => void;
  /** Only while a session is read. */
  reads?: boolean;
}

const reading = () => current.peek()?.reading;
const detail = () => reading()?.detail.peek();

function onDetail(act: (seen: NonNullable<ReturnType<typeof detail>>) => void): () => void {
  return () => {
    const seen = detail();
    if (seen) act(seen);
  };
}

function jump(step: 1 | -1): void {
  const now = current.peek();
  const position = now && nextPrompt(now.reading.outline.peek()?.prompts ?? [], now.top(), step);
  if (position !== undefined) now!.show(position);
}

function walk(step: 1 | -1): void {
  const row = move(step);
  if (row === undefined) return;
  listRows.current?.scrollToIndex(row, { align: "auto" });
  requestAnimationFrame(() => document.querySelector<HTMLElement>(".line.chosen")?.focus({ preventScroll: true }));
}

function toEnd(): void {
  const now = current.peek();
  const total = now?.reading.outline.peek()?.total;
  if (total) now.show(total - 1);
}

export const COMMANDS: readonly Command[] = [
  { name: "Search everything", keys: "/", act: () => document.getElementById("search")?.focus() },
  { name: "Next session", keys: "j", act: () => walk(1) },
  { name: "Previous session", keys: "k", act: () => walk(-1) },
  { name: "Open the session", keys: "o", act: () => chosen.peek() && go({ session: chosen.peek(), at: undefined, view: undefined }) },
  { name: "Back to the list", keys: "Escape", act: () => go({ session: undefined, at: undefined, view: undefined }) },
  { name: "Next prompt", keys: "n", act: () => jump(1), reads: true },
  { name: "Previous prompt", keys: "p", act: () => jump(-1), reads: true },
  { name: "To the beginning", keys: "g g", act: () => current.peek()?.show(0), reads: true },
  { name: "To the end", keys: "Shift+G", act: toEnd, reads: true },
  { name: "Find in the session", keys: "f", act: () => (isFinding.value = true), reads: true },
  { name: "Only what was said, or everything", keys: "s", act: () => go({ said: !place.peek().said }), reads: true },
  { name: "Rename", keys: "r", act: () => (writing.value = "title"), reads: true },
  { name: "Add a tag", keys: "t", act: () => (writing.value = "tag"), reads: true },
  { name: "Pin, or unpin", keys: "b", act: onDetail((seen) => void pin(seen)), reads: true },
  { name: "Archive, or bring back", keys: "e", act: onDetail((seen) => void archive(seen)), reads: true },
  { name: "Fork all of it", keys: "y", act: onDetail((seen) => void fork(seen.value.session_id, null)), reads: true },
  { name: "Export", keys: "x", act: () => (dialog.value = "export"), reads: true },
  { name: "Compare", keys: "c", act: () => (dialog.value = "compare"), reads: true },
  { name: "Move to the trash", keys: "Delete", act: onDetail((seen) => void trash(seen)), reads: true },
  { name: "Undo", keys: "u", act: () => void undo() },
  { name: "Show the trash", keys: "g t", act: () => go({ view: "trash", session: undefined }) },
  { name: "Import", keys: "g i", act: () => go({ view: "import", session: undefined }) },
  { name: "Days", keys: "g d", act: () => go({ by: "day", q: "" }) },
  { name: "Projects", keys: "g p", act: () => go({ by: "project", q: "" }) },
  { name: "Dark, light, or as the system", keys: "d", act: turnTheme },
  { name: "All commands", keys: "?", act: () => (isPaletteOpen.value = true) },
];

/** Return the commands that can be given now. */
export function possible(): Command[] {
  return COMMANDS.filter((one) => !one.reads || current.peek() !== undefined);
}

/** Return the keys of a command as a person reads them. */
export function shownKeys(keys: string): string {
  return keys.replace("Shift+", "").replace("Escape", "Esc");
}
