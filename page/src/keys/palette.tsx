/** The palette: every command by its name, with its key. */

import { useState } from "preact/hooks";

import { Dialog } from "../acts/dialog";
import { type Command, isPaletteOpen, possible, shownKeys } from "./commands";

export function Palette() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/);
  const found = possible().filter((one) => words.every((word) => one.name.toLowerCase().includes(word)));
  const chosen = Math.min(at, found.length - 1);
  const close = () => (isPaletteOpen.value = false);
  const give = (command: Command | undefined) => {
    close();
    // After the dialog has given the focus back.
    if (command) setTimeout(command.act);
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      give(found[chosen]);
    }
  };
  return (
    <Dialog title="Commands" onClose={close}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls="commands"
        aria-activedescendant={found[chosen] && `command-${chosen}`}
        aria-label="Command"
        placeholder="What to do"
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keys}
      />
      <ul id="commands" role="listbox" aria-label="Commands" class="commands">
        {found.map((one, index) => (
          <li key={one.name} id={`command-${index}`} role="option" aria-selected={index === chosen} onClick={() => give(one)}>
            <span>{one.name}</span> <kbd>{shownKeys(one.keys)}</kbd>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
