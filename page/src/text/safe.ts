/** Text of anybody, made visible: nothing turns the line around or hides in it. */

// Controls, what turns the direction of writing, and what has no width.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Return a text in which each hidden character is named: `[U+202E]`. The end of a line on Windows hides nothing. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(HIDDEN, (one) => `[U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** Return a text as one line. */
export function oneLine(text: string): string {
  return visible(text.replace(/\r\n?/g, "\n")).replace(/\s+/g, " ").trim();
}
