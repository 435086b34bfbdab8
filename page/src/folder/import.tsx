/** Import: what other programs keep on this machine, brought in. */

import { useEffect, useState } from "preact/hooks";

import { made, tell } from "../acts/acts";
import * as service from "../service";
import type { FoundPlace, ImportState } from "../service";
import { counted, size } from "../text/measures";
import { oneLine } from "../text/safe";
import { Panel } from "./panel";

const PAUSE = 400;

export function Import() {
  const [places, setPlaces] = useState<FoundPlace[] | undefined>();
  const [state, setState] = useState<ImportState | undefined>();
  const read = async () => {
    const found = await service.imports();
    setPlaces(found.places.filter((one) => one.files > 0));
    return found.imports.at(-1);
  };
  useEffect(() => {
    read().then((last) => last?.status === "running" && void follow(last, setState), fail);
  }, []);
  const start = async (programs: string[]) => {
    try {
      const state = await follow(await service.startImport(programs), setState);
      if (state.made.length > 0) made(`Imported ${counted(state.made.length, "session")}`, state.made);
      await read();
    } catch (reason) {
      fail(reason);
    }
  };
  const isRunning = state?.status === "running";
  return (
    <Panel title="Import">
      <p>The chats that other programs keep on this machine. Theirs stay as they are; importing again brings in what is new.</p>
      {places === undefined && <p class="quiet">Looking…</p>}
      {places?.length === 0 && <p class="quiet">Nothing was found. Files can be brought in with localsessions import FILE.</p>}
      <ul class="table">
        {places?.map((one) => (
          <li key={one.program}>
            <span class="title">{oneLine(one.program)}</span>
            <span class="quiet">
              {counted(one.files, "file")} · {size(one.size_bytes)} · {counted(one.sessions_here, "session")} here
            </span>
            <button disabled={isRunning} onClick={() => void start([one.program])} aria-label={`Import ${oneLine(one.program)}`}>
              Import
            </button>
          </li>
        ))}
      </ul>
      {places && places.length > 1 && (
        <div class="buttons">
          <button class="strong" disabled={isRunning} onClick={() => void start(places.map((one) => one.program))}>
            Import all
          </button>
        </div>
      )}
      {state && <Progress state={state} />}
    </Panel>
  );
}

/** Ask how far an import is, until its end. */
async function follow(begun: ImportState, tellState: (state: ImportState) => void): Promise<ImportState> {
  let state = begun;
  tellState(state);
  while (state.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    state = await service.importState(state.import_id);
    tellState(state);
  }
  return state;
}

function Progress({ state }: { state: ImportState }) {
  if (state.status === "failed") return <p role="alert">{oneLine(state.error ?? "It failed.")}</p>;
  if (state.status === "running") {
    return (
      <p role="status">
        <progress aria-label="Import" value={state.files_done} max={state.files_total ?? 1} /> {state.files_done} of {state.files_total ?? "?"} files
      </p>
    );
  }
  const count = (key: string) => Object.values(state.totals).reduce((sum, one) => sum + (one[key] ?? 0), 0);
  return (
    <p role="status">
      Done: {Object.entries(state.totals).length === 0 ? "nothing new" : Object.keys(Object.values(state.totals)[0]!).map((key) => `${key.replaceAll("_", " ")} ${count(key)}`).join(", ")}.
    </p>
  );
}

function fail(reason: unknown): void {
  tell(service.toldOf(reason), false, true);
}
