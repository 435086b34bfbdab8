/** What is told after an act, with the way back. */

import { visible } from "../text/safe";
import { notice, undo } from "./acts";

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
