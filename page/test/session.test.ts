import { describe, expect, test } from "vitest";

import { clashesOf, opposite } from "../src/acts/change";
import { daysOf } from "../src/folder/welcome";
import { asked, dayRows } from "../src/list/sessions";
import type { SessionLine } from "../src/service";
import { lanesOf } from "../src/session/lanes";
import { nextPrompt, rowAt, shownPositions } from "../src/session/rows";
import { stepsBetween } from "../src/session/steps";
import { barsOf } from "../src/session/timeline";
import { barsOf as tokenBars } from "../src/session/tokens";

describe("rows", () => {
  const outline = { total: 6, kinds: "pwwsps" };
  test("are all messages, or what was said", () => {
    expect(shownPositions(outline, false)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shownPositions(outline, true)).toEqual([0, 3, 4, 5]);
    expect(shownPositions(undefined, true)).toEqual([]);
  });
  test("the row of a message that is not shown is the one after it", () => {
    expect([0, 1, 3, 5, 99].map((position) => rowAt([0, 3, 4, 5], position))).toEqual([0, 1, 1, 3, 3]);
    expect(rowAt([], 3)).toBe(0);
  });
  test("prompts are jumped to, and none beyond the last", () => {
    const prompts = [{ position: 0 }, { position: 4 }];
    expect([nextPrompt(prompts, 0, 1), nextPrompt(prompts, 4, 1), nextPrompt(prompts, 4, -1)]).toEqual([4, undefined, 0]);
  });
});

describe("a change", () => {
  const seen = { title: "a", tags: ["x"], pinned: false, status: "active" };
  test("of a session that only grew is no conflict", () => {
    expect(clashesOf(seen, seen, { title: "b" })).toEqual([]);
  });
  test("of another field is no conflict", () => {
    expect(clashesOf(seen, { ...seen, tags: ["y"] }, { title: "b" })).toEqual([]);
  });
  test("to what is stored already is no conflict", () => {
    expect(clashesOf(seen, { ...seen, title: "b" }, { title: "b" })).toEqual([]);
  });
  test("of the same field is one, with both sides", () => {
    expect(clashesOf(seen, { ...seen, title: "c" }, { title: "b" })).toEqual([{ field: "title", seen: "a", stored: "c", wanted: "b" }]);
  });
  test("is undone by its opposite", () => {
    expect(opposite(seen, { title: "b", archived: true, tags: [] })).toEqual({ title: "a", archived: false, tags: ["x"] });
  });
});

describe("the list", () => {
  const line = (session_id: string, more: Partial<SessionLine> = {}) =>
    ({ session_id, pinned: false, undated: false, last_activity: "2026-11-30T10:00:00Z", ...more }) as SessionLine;
  test("has what is pinned first, then the days", () => {
    const rows = dayRows([line("a"), line("b", { pinned: true }), line("c", { undated: true })], new Date("2026-11-30T15:00:00"));
    expect(rows.map((row) => (row.kind === "heading" ? row.text : row.kind === "session" ? row.line.session_id : ""))).toEqual([
      ...["Pinned", "b", "Today", "a", "Without a date", "c"],
    ]);
  });
  test("leaves out the archive and what belongs to another session; a search does not", () => {
    expect(asked({ tag: "x" }, false)).toEqual({ tag: "x", archived: false, folded: true });
    expect(asked({ tag: "x" }, true)).toEqual({ tag: "x" });
    expect(asked({ archived: "true" }, false)).toEqual({ archived: true });
  });
});

test("two sessions differ by what one has and the other has not", () => {
  const lines = (text: string) => [...text].map((one) => ({ role: "user", text: one }));
  const told = (there: string, here: string) =>
    stepsBetween(lines(there), lines(here)).map((step) => `${step.side} ${step.messages.map((one) => one.text).join("")}`);
  expect(told("abcd", "abxd")).toEqual(["both ab", "there c", "here x", "both d"]);
  expect(told("", "ab")).toEqual(["here ab"]);
  expect(told("abab", "ab")).toEqual(["both ab", "there ab"]);
  expect(told("ab", "ab")).toEqual(["both ab"]);
});

test("the timeline says when the prompts were, and is not there without times", () => {
  const bars = barsOf({ at: [0, 10, null, 20, 30, 40, 50, 60, 6000], kinds: "pwwwwwwwp" });
  expect(bars.filter((bar) => bar.count > 0)).toEqual([
    { position: 0, count: 7, prompts: 1, at: 0 },
    { position: 8, count: 1, prompts: 1, at: 5900 },
  ]);
  expect(barsOf({ at: [null, null], kinds: "pw" })).toEqual([]);
});

test("of many requests the largest contexts are shown", () => {
  const requests = [5, 9, 1, 2, 7].map((context, position) => [position, context, 0] as const);
  expect(tokenBars(requests, 2)).toEqual([[1, 9, 0], [4, 7, 0]]);
  expect(tokenBars(requests, 9)).toEqual(requests);
});

describe("runs and agents", () => {
  const span = { kind: "run" as const, name: "coder", status: "COMPLETED", first: 0, last: 4, begin: 100, end: 150 };
  const started = { session_id: "s", title: "Helper", created_at: "1970-01-01T00:03:00Z", last_activity: "1970-01-01T00:05:00Z", undated: false, message_count: 2 };

  test("are lanes by the clock, one for each name", () => {
    const spans = [span, { ...span, begin: 200, end: 300, status: "ERROR" }, { ...span, kind: "agent" as const, name: "reviewer", begin: 100, end: 200 }];
    const lanes = lanesOf({ spans, total: 5 }, [started as SessionLine]);
    const told = lanes.map(({ name, bars }) => [name, ...bars.map((bar) => [bar.from, bar.to, bar.isBad])]);
    expect(told).toEqual([
      ["coder", [0, 0.25, false], [0.5, 1, true]],
      ["Current agent", [0, 0.5, false]],
      ["Helper", [0.4, 1, false]],
    ]);
  });
  test("without times stand where their messages do", () => {
    const spans = [{ ...span, begin: null, end: null }, { ...span, name: "other", first: 4, last: 8, begin: null, end: null }];
    expect(lanesOf({ spans, total: 9 }, []).map(({ bars }) => [bars[0]!.from, bars[0]!.to])).toEqual([[0, 0.5], [0.5, 1]]);
  });
  test("that say nothing make no lane", () => {
    expect(lanesOf({ spans: [{ ...span, begin: null, end: null, first: null, last: null }], total: 0 }, [])).toEqual([]);
    expect(lanesOf({ spans: [], total: 0 }, [{ ...started, undated: true } as SessionLine])).toEqual([]);
  });
});

test("the days of the chart end today, and empty ones are there", () => {
  const group = { name: "2026-11-29", sessions: 2, messages: 9, last_activity: null };
  const days = daysOf([group], new Date("2026-11-30T15:00:00Z"));
  expect(days.length).toBe(90);
  expect(days.slice(-2).map((one) => [one.name, one.sessions])).toEqual([["2026-11-29", 2], ["2026-11-30", 0]]);
});
