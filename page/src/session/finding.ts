/** Finding a text in the session that is read, and marking it in what is drawn. */

import { batch, computed, effect, signal } from "@preact/signals";

import { place } from "../place";
import * as service from "../service";
import { toldOf } from "../service";

/** What is looked for; empty if nothing is. */
export const finding = signal("");
export const isFinding = signal(false);
export const places = signal<{ position: number; count: number }[]>([]);
export const total = signal(0);
export const at = signal(-1);
export const trouble = signal("");

const TYPING = 150;
let timer: ReturnType<typeof setTimeout> | undefined;
let asked = 0;

/** Look for a text, shortly after the last key; goes to the first place at or after `from`. */
export function find(sessionId: string, text: string, from: number, show: (position: number) => void): void {
  clearTimeout(timer);
  finding.value = text;
  timer = setTimeout(() => void look(sessionId, text, from, show), TYPING);
}

async function look(sessionId: string, text: string, from: number, show: (position: number) => void): Promise<void> {
  const mine = ++asked;
  const found = text ? await tried(() => service.foundIn(sessionId, text)) : { places: [], total: 0 };
  if (mine !== asked || found === undefined) return;
  const first = found.places.findIndex((one) => one.position >= from);
  batch(() => {
    places.value = found.places;
    total.value = found.total;
    at.value = found.places.length === 0 ? -1 : Math.max(0, first);
  });
  const chosen = places.value[at.value];
  if (chosen) show(chosen.position);
}

async function tried<Data>(act: () => Promise<Data>): Promise<Data | undefined> {
  try {
    trouble.value = "";
    return await act();
  } catch (reason) {
    trouble.value = toldOf(reason);
    return undefined;
  }
}

/** Go to the next place, or the one before; round the end. */
export function step(by: 1 | -1, show: (position: number) => void): void {
  const count = places.value.length;
  if (count === 0) return;
  at.value = (at.value + by + count) % count;
  show(places.value[at.value]!.position);
}

export function endFinding(): void {
  batch(() => {
    isFinding.value = false;
    finding.value = "";
    places.value = [];
    at.value = -1;
  });
}

/** The words to mark: what is found here, or what the list was searched for. */
export const words = computed(() => {
  if (finding.value) return [finding.value.toLowerCase()];
  return place.value.q.toLowerCase().split(/[\s"()*]+/).filter((word) => word.length > 1);
});

/** Mark the words in what is drawn, without a change of it. */
export function mark(root: HTMLElement): void {
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete("found");
  if (words.peek().length === 0) return;
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && ranges.length < 2000; node = walker.nextNode()) {
    ranges.push(...rangesIn(node as Text));
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

function rangesIn(node: Text): Range[] {
  const text = node.data.toLowerCase();
  const found: Range[] = [];
  if (text.length !== node.data.length) return found; // letters that are longer in lower case
  for (const word of words.peek()) {
    for (let begin = text.indexOf(word); begin >= 0; begin = text.indexOf(word, begin + word.length)) {
      const range = new Range();
      range.setStart(node, begin);
      range.setEnd(node, begin + word.length);
      found.push(range);
    }
  }
  return found;
}

/** Call an act when the words change. */
export const onWords = (act: () => void) =>
  effect(() => {
    words.value;
    act();
  });
