/** What the extension and its page say to each other. */

/** A piece of a message; `text` is shown as it is, never as HTML or Markdown. */
export interface Part {
  kind: "said" | "thought" | "call" | "result" | "other";
  label: string;
  text: string;
}

export interface Line {
  role: string;
  parts: Part[];
}

export interface Head {
  title: string;
  facts: string[];
}

export type ToPage =
  /** This is all that is shown: `lines` stand at `start` and after, to the end. */
  | { type: "all"; head: Head; start: number; lines: Line[] }
  /** `lines` stand at `start` and before what is shown. */
  | { type: "earlier"; start: number; lines: Line[] }
  /** From `start` on, `lines` are what the session has now. */
  | { type: "from"; head: Head; start: number; lines: Line[] }
  /** Something is wrong; no text: not any more. */
  | { type: "problem"; text: string };

export type ToExtension =
  /** The page was made, again perhaps: it shows nothing yet. */
  | { type: "ready" }
  /** The person wants to see what stands before. */
  | { type: "earlier" };
