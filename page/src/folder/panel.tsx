/** A page beside the list, with its title and the way back. */

import type { ComponentChildren } from "preact";

import { go } from "../place";

export function Panel({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="reader" aria-label={title}>
      <div class="toolbar">
        <button class="back" onClick={() => go({ view: undefined })} aria-label="Back to the list">
          ←
        </button>
      </div>
      <div class="scroll">
        <header class="head">
          <h1>{title}</h1>
        </header>
        <div class="panel">{children}</div>
      </div>
    </section>
  );
}
