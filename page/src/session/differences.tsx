/** What differs: between two sessions, and between two checkpoints. */

import { useEffect, useState } from "preact/hooks";

import { tell } from "../acts/acts";
import { Dialog } from "../acts/dialog";
import * as service from "../service";
import type { Message } from "../service";
import { counted } from "../text/measures";
import { oneLine, visible } from "../text/safe";
import type { Reading } from "./reading";
import { gistOf } from "./spoken";
import { type Step, stepsBetween } from "./steps";

const MOST = 2000;

const linesOf = (messages: readonly Message[]) => messages.map((one) => ({ role: one.role, text: gistOf(one) }));

interface Difference {
  op: "add" | "remove" | "replace";
  path: string;
  was?: unknown;
  now?: unknown;
}
type Told = { kind: "session"; steps: Step[]; isCut: boolean } | { kind: "checkpoint"; differences: Difference[] };

export function Differences({ reading, onClose }: { reading: Reading; onClose: () => void }) {
  const [ids, setIds] = useState<string[]>([]);
  const [told, setTold] = useState<Told>();
  const { sessionId } = reading;
  useEffect(() => {
    service.checkpoints(sessionId).then(setIds, fail);
  }, [reading]);
  const compare = async (other: string) => {
    const both = await Promise.all([other, sessionId].map((id) => service.messagesFrom(id, 0, MOST)));
    const [there, here] = both.map((one) => linesOf(one.messages));
    setTold({ kind: "session", steps: stepsBetween(there!, here!), isCut: both.some((one) => one.total > MOST) });
  };
  const parent = reading.detail.value?.value.parent;
  const others = [...(parent ? [{ session_id: parent, title: "what it comes from" }] : []), ...reading.children.value];
  return (
    <Dialog title="Compare" onClose={onClose} wide>
      <form
        class="compare"
        onSubmit={(event) => {
          event.preventDefault();
          const other = new FormData(event.currentTarget).get("other");
          if (typeof other === "string" && other) compare(other).catch(fail);
        }}
      >
        <label>
          <span>With the session</span>
          <input name="other" list="others" placeholder="its id" value={others[0]?.session_id ?? ""} />
        </label>
        <datalist id="others">
          {others.map((one) => (
            <option key={one.session_id} value={one.session_id}>
              {oneLine(one.title)}
            </option>
          ))}
        </datalist>
        <button class="strong">Compare</button>
      </form>
      <Checkpoints ids={ids} onCompare={(now, base) => void service.checkpointDiff(sessionId, now, base).then((found) => setTold({ kind: "checkpoint", differences: found.differences }), fail)} />
      {told && <Shown told={told} />}
      <div class="buttons">
        <button onClick={onClose}>Close</button>
      </div>
    </Dialog>
  );
}

function fail(reason: unknown): void {
  tell(service.toldOf(reason), false, true);
}

function Checkpoints({ ids, onCompare }: { ids: string[]; onCompare: (now: string, base: string) => void }) {
  if (ids.length < 2) return null;
  const options = ids.map((id) => (
    <option key={id} value={id}>
      {oneLine(id)}
    </option>
  ));
  return (
    <form
      class="compare"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        onCompare(String(form.get("now")), String(form.get("base")));
      }}
    >
      <label>
        <span>Checkpoint</span>
        <select name="now">{options}</select>
      </label>
      <label>
        <span>against</span>
        <select name="base" value={ids[1]}>
          {options}
        </select>
      </label>
      <button class="strong">Compare checkpoints</button>
    </form>
  );
}

function Shown({ told }: { told: Told }) {
  if (told.kind === "checkpoint") {
    return (
      <ul class="difference" tabIndex={0} aria-label="Differences">
        {told.differences.length === 0 && <li>They are the same.</li>}
        {told.differences.map((one) => (
          <li key={one.path}>
            <code>{visible(one.path) || "/"}</code> {one.op !== "add" && <del>{valueOf(one.was)}</del>} {one.op !== "remove" && <ins>{valueOf(one.now)}</ins>}
          </li>
        ))}
      </ul>
    );
  }
  return (
    <ul class="difference" tabIndex={0} aria-label="Differences">
      {told.isCut && <li class="quiet">Only the first {counted(MOST, "message")} of each are compared.</li>}
      {told.steps.map((step, index) => (
        <li key={index}>
          {step.side === "both" ? (
            <span class="quiet">{counted(step.messages.length, "message")} the same</span>
          ) : (
            step.messages.map((one, place) => {
              const text = `${oneLine(one.role)}: ${oneLine(one.text).slice(0, 300)}`;
              return step.side === "here" ? <ins key={place}>{text}</ins> : <del key={place}>{text}</del>;
            })
          )}
        </li>
      ))}
    </ul>
  );
}

function valueOf(value: unknown): string {
  return visible(JSON.stringify(value ?? null)).slice(0, 500);
}
