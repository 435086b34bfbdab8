/** The page: the list beside what is read; on a phone one of both. */

import { useEffect } from "preact/hooks";

import { Conflict } from "./acts/conflict";
import { Notice } from "./acts/notice";
import { Import } from "./folder/import";
import { Trash } from "./folder/trash";
import { Welcome } from "./folder/welcome";
import { isPaletteOpen } from "./keys/commands";
import { Palette } from "./keys/palette";
import { List } from "./list/list";
import { isLive } from "./live";
import { go, place } from "./place";
import { Reader } from "./session/reader";
import { theme, turnTheme } from "./theme";

export function App() {
  const { session, view } = place.value;
  useEffect(closeMenus, []);
  return (
    <div class={`app${session !== undefined || view ? " reading" : ""}`}>
      <aside>
        <Top />
        <List />
      </aside>
      <main>{view === "trash" ? <Trash /> : view === "import" ? <Import /> : session !== undefined ? <Reader sessionId={session} /> : <Welcome />}</main>
      <Notice />
      <Conflict />
      {isPaletteOpen.value && <Palette />}
    </div>
  );
}

function Top() {
  return (
    <header class="top">
      <a class="name" href="#/">
        Sessions
      </a>
      <span class={`live${isLive.value ? " on" : ""}`} role="img" aria-label={isLive.value ? "Live" : "Not connected"} title={isLive.value ? "Live" : "Not connected"} />
      <span class="space" />
      <button onClick={() => go({ view: "import", session: undefined })}>Import</button>
      <button onClick={() => go({ view: "trash", session: undefined })}>Trash</button>
      <button onClick={turnTheme} aria-label={`Theme: ${theme.value}`} title={`Theme: ${theme.value}`}>
        ◐
      </button>
      <button onClick={() => (isPaletteOpen.value = true)} aria-label="All commands" title="All commands (Ctrl K)">
        ⌘
      </button>
    </header>
  );
}

/** What a page without a token says: it holds nothing. */
export function Closed() {
  return (
    <main class="nothing closed">
      <h1>This page is closed</h1>
      <p>It was opened without its code, the code was used before, or the service was started anew. Open it again:</p>
      <pre>localsessions serve --open</pre>
    </main>
  );
}

/** A menu closes when the person goes elsewhere, or leaves it with Esc. */
function closeMenus(): () => void {
  const close = (event: Event) => {
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
      if (!menu.contains(event.target as Node)) menu.open = false;
    }
  };
  const leave = (event: KeyboardEvent) => {
    const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
    if (event.key !== "Escape" || !menu) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary")?.focus();
  };
  document.addEventListener("pointerdown", close);
  document.addEventListener("focusin", close);
  document.addEventListener("keydown", leave, true);
  return () => {
    document.removeEventListener("pointerdown", close);
    document.removeEventListener("focusin", close);
    document.removeEventListener("keydown", leave, true);
  };
}
