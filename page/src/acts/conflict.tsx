/** A change on both sides: what was seen, what is stored, and what is wanted. */

import { visible } from "../text/safe";
import { conflict } from "./acts";
import type { Clash } from "./change";
import { Dialog } from "./dialog";

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
