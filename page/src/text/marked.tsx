/** A text in which some places are marked. */

import { visible } from "./safe";

/** Draw a text with marks; `places` are (start, end) in code points, in order. */
export function Marked({ text, places }: { text: string; places: readonly (readonly [number, number])[] }) {
  const letters = Array.from(text); // the service counts code points
  const drawn = [];
  let done = 0;
  for (const [start, end] of places) {
    if (start < done) continue;
    drawn.push(visible(letters.slice(done, start).join("")));
    drawn.push(<mark key={start}>{visible(letters.slice(start, end).join(""))}</mark>);
    done = end;
  }
  drawn.push(visible(letters.slice(done).join("")));
  return <>{drawn}</>;
}
