/** How far each session was read on this machine: the mark of what is new. */

const KEY = "seen";
const MOST = 500;

type Seen = Record<string, number>;

function stored(): Seen {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Seen) : {};
  } catch {
    return {};
  }
}

/** Return how many messages of a session were seen; undefined if it was never opened. */
export function seenOf(sessionId: string): number | undefined {
  const count = stored()[sessionId];
  return typeof count === "number" ? count : undefined;
}

/** Remember how many were seen; of many sessions, those that were read longest ago are forgotten. */
export function remember(sessionId: string, count: number): void {
  const { [sessionId]: before = 0, ...others } = stored();
  const kept = Object.entries(others).slice(-MOST);
  localStorage.setItem(KEY, JSON.stringify(Object.fromEntries([...kept, [sessionId, Math.max(before, count)]])));
}
