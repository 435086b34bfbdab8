/** What is told after an act, and what is asked before one. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";

import { visible } from "../text/safe";
import { conflict, notice, undo } from "./acts";
import type { Clash } from "./change";

/** A dialog of the browser: it keeps the focus, and Esc closes it. */
export function Dialog({ title, onClose, children, wide }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const element = useRef<HTMLDialogElement>(null);
  // Before the next frame: what is typed meanwhile is for the dialog.
  useLayoutEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return (
    <dialog ref={element} class={wide ? "wide" : ""} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

export function Notice() {
  const told = notice.value;
  return (
    <div class="notices" role="status" aria-live="polite">
      {told && (
        <div class={`notice${told.bad ? " bad" : ""}`}>
          <span>{visible(told.text)}</span>
          {told.undo && <button onClick={() => void undo()}>Undo</button>}
        </div>
      )}
    </div>
  );
}

export function Conflict() {
  const asked = conflict.value;
  if (asked === undefined) return null;
  return (
    <Dialog title="Changed on both sides" onClose={() => conflict.value?.decide(false)} wide>
      <p>Somebody changed this session after you saw it. Nothing is written yet.</p>
      {asked.clashes.map((clash) => (
        <Sides key={clash.field} clash={clash} />
      ))}
      <div class="buttons">
        <button onClick={() => asked.decide(false)}>Keep what is stored</button>
        <button class="strong" onClick={() => asked.decide(true)}>
          Write mine
        </button>
      </div>
    </Dialog>
  );
}

function Sides({ clash }: { clash: Clash }) {
  return (
    <table class="sides">
      <caption>{clash.field}</caption>
      <tbody>
        {(["seen", "stored", "wanted"] as const).map((side) => (
          <tr key={side} class={side}>
            <th scope="row">{{ seen: "You saw", stored: "Stored now", wanted: "Yours" }[side]}</th>
            <td>{shown(clash[side])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return visible(value.join(", ")) || "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return visible(String(value ?? "")) || "none";
}
