/** The trash: what can be restored. */

import { useEffect, useState } from "preact/hooks";

import { restore, tell } from "../acts/acts";
import { onChange } from "../live";
import * as service from "../service";
import type { Trashed } from "../service";
import { ago, size } from "../text/measures";
import { oneLine } from "../text/safe";
import { Panel } from "./panel";

export function Trash() {
  const [found, setFound] = useState<Trashed[] | undefined>();
  useEffect(() => {
    const read = () => service.trash().then(setFound, (reason) => tell(service.toldOf(reason), false, true));
    void read();
    return onChange(() => void read());
  }, []);
  return (
    <Panel title="Trash">
      {found?.length === 0 && <p class="quiet">The trash is empty.</p>}
      <ul class="table">
        {found?.map((one) => (
          <li key={`${one.session_id} ${one.deleted_at}`}>
            <span class="title">{oneLine(one.session_id)}</span>
            <span class="quiet">
              {ago(one.deleted_at, new Date())} · {size(one.size_bytes)}
              {one.checkpoints_only && " · checkpoints only"}
            </span>
            <button onClick={() => void restore(one.session_id)} aria-label={`Restore ${oneLine(one.session_id)}`}>
              Restore
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
