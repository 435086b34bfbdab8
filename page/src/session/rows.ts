/** Which messages are rows: all, or only what was said. */

import type { Outline } from "../service";

/** Return the positions that are shown. */
export function shownPositions(outline: Pick<Outline, "total" | "kinds"> | undefined, said: boolean): number[] {
  if (outline === undefined) return [];
  const all = Array.from({ length: outline.total }, (_, position) => position);
  return said ? all.filter((position) => outline.kinds[position] !== "w") : all;
}

/** Return the row of a position, or the first row after it. */
export function rowAt(positions: readonly number[], position: number): number {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (positions[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, Math.min(low, positions.length - 1));
}

/** Return the prompt after a position, or before it. */
export function nextPrompt(prompts: readonly { position: number }[], from: number, step: 1 | -1): number | undefined {
  if (step === 1) return prompts.find(({ position }) => position > from)?.position;
  return prompts.findLast(({ position }) => position < from)?.position;
}
