/**
 * What stands in a session, made safe for places that are not a page: labels, notices, a terminal's name.
 *
 * Other people and programs wrote it. Nothing of it reaches VS Code but through `clean`, `oneLine` or `notice`.
 */

// C0 except tab and newline, DEL and C1; what turns the direction of writing; line separators; half a surrogate pair.
const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;
const MOST = 200;

/** Return a text of several lines with every control character spelled out. */
export function clean(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(UNSAFE, spelled);
}

/** Return a text as one line that fits a label. */
export function oneLine(text: string): string {
  const characters = Array.from(clean(text.slice(0, 10 * MOST).replace(/\s+/g, " ").trim()));
  return characters.length <= MOST ? characters.join("") : `${characters.slice(0, MOST - 1).join("")}…`;
}

/** Return a text as one line for a notice. There, `[text](command:…)` would be a link that runs a command. */
export function notice(text: string): string {
  return oneLine(text).replaceAll("](", "] (");
}

function spelled(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

const SPANS: readonly [milliseconds: number, unit: string][] = [
  [31_536_000_000, "y"],
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
];

/** Return how long ago an instant was, as `3 h`. */
export function ageOf(instant: string, now: number): string {
  const passed = now - Date.parse(instant);
  const span = SPANS.find(([milliseconds]) => passed >= milliseconds);
  return span === undefined ? "now" : `${Math.floor(passed / span[0])} ${span[1]}`;
}
