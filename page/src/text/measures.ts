/** Times, sizes and counts as people say them. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Return how long ago a moment was; beyond a week, its date. */
export function ago(moment: string, now: Date): string {
  const then = new Date(moment);
  const seconds = (now.getTime() - then.getTime()) / 1000;
  if (seconds < 45) return "now";
  return seconds < 7 * DAY ? lasting(Math.max(MINUTE, seconds)) : date(then, now);
}

/** Return how long something lasts. */
export function lasting(seconds: number): string {
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < HOUR) return `${Math.round(seconds / MINUTE)} min`;
  return seconds < DAY ? `${Math.round(seconds / HOUR)} h` : `${Math.round(seconds / DAY)} d`;
}

function date(then: Date, now: Date): string {
  const isThisYear = then.getFullYear() === now.getFullYear();
  const year = isThisYear ? {} : ({ year: "numeric" } as const);
  return then.toLocaleDateString("en", { day: "numeric", month: "short", ...year });
}

/** Return the heading of a day in a list: Today, Yesterday, the weekday, or the month. */
export function day(moment: string, now: Date): string {
  const then = new Date(moment);
  const days = Math.round((midnight(now) - midnight(then)) / (DAY * 1000));
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return then.toLocaleDateString("en", { weekday: "long" });
  const isThisYear = then.getFullYear() === now.getFullYear();
  return then.toLocaleDateString("en", isThisYear ? { month: "long" } : { month: "long", year: "numeric" });
}

function midnight(moment: Date): number {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
}

/** Return a moment in full. */
export function moment(text: string): string {
  return new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Return the last part of a folder's path. */
export function folderName(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).pop() ?? path;
}
