/** Export, after a look at what is left out. */

import { useEffect, useState } from "preact/hooks";

import { tell } from "../acts/acts";
import { Dialog } from "../acts/dialog";
import * as service from "../service";
import type { Secret } from "../service";
import { counted } from "../text/measures";
import { oneLine } from "../text/safe";
import type { Reading } from "./reading";

const FORMATS = { markdown: "md", json: "json", jsonl: "jsonl" } as const;
type Format = keyof typeof FORMATS;

export function Export({ reading, onClose }: { reading: Reading; onClose: () => void }) {
  const [format, setFormat] = useState<Format>("markdown");
  const [redacts, setRedacts] = useState(true);
  const [secrets, setSecrets] = useState<Secret[] | undefined>();
  useEffect(() => {
    service.secrets(reading.sessionId).then(setSecrets, (reason) => tell(service.toldOf(reason), false, true));
  }, [reading]);
  const save = async () => {
    try {
      download(await service.exported(reading.sessionId, format, redacts), `${nameOf(reading)}.${FORMATS[format]}`);
      onClose();
    } catch (reason) {
      tell(service.toldOf(reason), false, true);
    }
  };
  return (
    <Dialog title="Export" onClose={onClose} wide>
      <div class="tabs" role="group" aria-label="Format">
        {(Object.keys(FORMATS) as Format[]).map((one) => (
          <button key={one} aria-pressed={one === format} onClick={() => setFormat(one)}>
            {one}
          </button>
        ))}
      </div>
      <label class="tick">
        <input type="checkbox" checked={redacts} onChange={(event) => setRedacts(event.currentTarget.checked)} />
        <span>Leave out what looks like a secret</span>
      </label>
      <Preview secrets={secrets} redacts={redacts} />
      <div class="buttons">
        <button onClick={onClose}>Cancel</button>
        <button class="strong" onClick={() => void save()}>
          Save the file
        </button>
      </div>
    </Dialog>
  );
}

function Preview({ secrets, redacts }: { secrets: Secret[] | undefined; redacts: boolean }) {
  if (secrets === undefined) return <p class="quiet">Looking for secrets…</p>;
  if (secrets.length === 0) return <p class="quiet">Nothing looks like a secret. A password that somebody made up is not found.</p>;
  return (
    <>
      <p>
        {counted(secrets.length, "place")} {redacts ? "will be replaced" : "will be in the file as they are"}:
      </p>
      <table class="secrets" tabIndex={0}>
        <thead>
          <tr>
            <th scope="col">Message</th>
            <th scope="col">Looks like</th>
            <th scope="col">Begins</th>
          </tr>
        </thead>
        <tbody>
          {secrets.slice(0, 200).map((one, index) => (
            <tr key={index}>
              <td title={oneLine(one.where)}>{one.message ?? "facts"}</td>
              <td>{redacts ? <code>[REDACTED:{oneLine(one.kind)}]</code> : oneLine(one.kind)}</td>
              <td>
                <code>{oneLine(one.beginning)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function nameOf(reading: Reading): string {
  return reading.title.peek().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "session";
}

function download(data: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
