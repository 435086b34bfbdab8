/** The keys, wherever no text is being written. */

import { tinykeys } from "tinykeys";

import { COMMANDS, isPaletteOpen, possible } from "./commands";

export function listenToKeys(): void {
  const bindings = Object.fromEntries(
    COMMANDS.map((command) => [
      command.keys === "?" ? "Shift+?" : command.keys,
      (event: KeyboardEvent) => {
        if (isWriting(event) || !possible().includes(command)) return;
        event.preventDefault();
        command.act();
      },
    ]),
  );
  const palette = (event: KeyboardEvent) => {
    event.preventDefault();
    isPaletteOpen.value = true;
  };
  tinykeys(window, { ...bindings, "$mod+k": palette });
}

function isWriting(event: KeyboardEvent): boolean {
  if (isPaletteOpen.peek() || document.querySelector("dialog[open]")) return true;
  const element = event.target;
  if (!(element instanceof HTMLElement)) return false;
  if (element.matches("input[type=search]") && event.key === "Escape") {
    element.blur();
    return true;
  }
  return element.matches("input:not([type=checkbox]), textarea, select");
}
