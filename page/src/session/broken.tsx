/** A file that is no session: why, where, and what can be saved. */

import { useEffect, useState } from "preact/hooks";

import { made, tell } from "../acts/acts";
import { addressOf, go } from "../place";
import * as service from "../service";
import type { Fault } from "../service";
import { oneLine, visible } from "../text/safe";

export function Broken({ sessionId, onRepaired }: { sessionId: string; onRepaired: () => void }) {
  const [fault, setFault] = useState<Fault | undefined>();
  useEffect(() => {
    service.fault(sessionId).then(setFault, (reason) => tell(service.toldOf(reason), false, true));
  }, [sessionId]);
  return (
    <section class="reader" aria-label="Session">
      <div class="toolbar">
        <button class="back" onClick={() => go({ session: undefined })} aria-label="Back to the list">
          ←
        </button>
      </div>
      <div class="scroll">
        <header class="head">
          <h1>{oneLine(sessionId)}</h1>
          <p class="facts">
            <span>This file cannot be read</span>
          </p>
        </header>
        {fault && <Told fault={fault} onRepaired={onRepaired} />}
      </div>
    </section>
  );
}

function Told({ fault, onRepaired }: { fault: Fault; onRepaired: () => void }) {
  const [left, setLeft] = useState<string[]>();
  const repair = async () => {
    try {
      const found = await service.repaired(fault.session_id);
      if (found.made.length > 0) made(found.done.join("; "), found.made);
      else tell(found.done.join("; ") || "Nothing of it can be read");
      setLeft(found.left);
      onRepaired();
    } catch (reason) {
      tell(service.toldOf(reason), false, true);
    }
  };
  return (
    <div class="fault">
      <p>
        <strong>{fault.reason ? `Line ${fault.line ?? 1}, column ${fault.column ?? 1}: ${visible(fault.reason)}` : "It can be read again."}</strong>
      </p>
      <pre tabIndex={0} aria-label="The lines of the file">
        {fault.lines.map((text, index) => (
          <div key={index} class={fault.first + index === fault.line ? "bad" : ""}>
            <span class="number">{fault.first + index}</span> {visible(text)}
          </div>
        ))}
      </pre>
      <p class="quiet">{visible(fault.path)}</p>
      <p>The file stays as it is. What can be read of it becomes a session of its own.</p>
      <div class="buttons">
        <button class="strong" onClick={() => void repair()}>
          Save what can be read
        </button>
        <a class="button" href={addressOf(fault.session_id)} onClick={onRepaired}>
          Look again
        </a>
      </div>
      {left?.map((text) => <p key={text}>Left to do: {visible(text)}.</p>)}
    </div>
  );
}
