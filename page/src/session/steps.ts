/** How one list of messages becomes another: the longest common subsequence, by its table. */

export interface Line {
  role: string;
  text: string;
}

export interface Step {
  side: "both" | "here" | "there";
  messages: Line[];
}

/** Return the steps from the messages there to those here. */
export function stepsBetween(there: readonly Line[], here: readonly Line[]): Step[] {
  const longest = Math.min(there.length, here.length);
  let begin = 0;
  while (begin < longest && sameLine(there[begin]!, here[begin]!)) begin += 1;
  let end = 0;
  while (end < longest - begin && sameLine(there[there.length - 1 - end]!, here[here.length - 1 - end]!)) end += 1;
  const steps: Step[] = [];
  for (const line of here.slice(0, begin)) add(steps, "both", line);
  for (const [side, line] of between(there.slice(begin, there.length - end), here.slice(begin, here.length - end))) add(steps, side, line);
  for (const line of here.slice(here.length - end)) add(steps, "both", line);
  return steps;
}

function* between(there: readonly Line[], here: readonly Line[]): Generator<[Step["side"], Line]> {
  const lengths = commonLengths(there, here);
  const width = here.length + 1;
  let [i, j] = [0, 0];
  while (i < there.length || j < here.length) {
    if (i < there.length && j < here.length && sameLine(there[i]!, here[j]!)) {
      yield ["both", here[j]!];
      [i, j] = [i + 1, j + 1];
    } else if (j === here.length || (i < there.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      yield ["there", there[i++]!];
    } else {
      yield ["here", here[j++]!];
    }
  }
}

/** Return how much is common from each pair of places on. */
function commonLengths(there: readonly Line[], here: readonly Line[]): Uint16Array {
  const width = here.length + 1;
  const lengths = new Uint16Array((there.length + 1) * width);
  for (let i = there.length - 1; i >= 0; i -= 1) {
    for (let j = here.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = sameLine(there[i]!, here[j]!)
        ? lengths[(i + 1) * width + j + 1]! + 1
        : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  return lengths;
}

function sameLine(one: Line, other: Line): boolean {
  return one.role === other.role && one.text === other.text;
}

function add(steps: Step[], side: Step["side"], line: Line): void {
  const last = steps.at(-1);
  if (last?.side === side) last.messages.push(line);
  else steps.push({ side, messages: [line] });
}
