import { describe, expect, test } from "vitest";

import { ago, counted, day, folderName, lasting, size } from "../src/text/measures";
import { oneLine, visible } from "../src/text/safe";
import { decodeHTML } from "../src/smaller/entities";
import { addressOf } from "../src/smaller/openapi-fetch";
import { LinkifyIt, trimmed } from "../src/smaller/linkify-it";

const NOW = new Date("2026-11-30T15:00:00");
const before = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

test("a time is said as people say it", () => {
  const said = [5, 90, 3600, 86_400 * 2, 86_400 * 30, 86_400 * 400].map((seconds) => ago(before(seconds), NOW));
  expect(said).toEqual(["now", "2 min", "1 h", "2 d", "Oct 31", "Oct 26, 2025"]);
});

test("what lasts is said in one unit", () => {
  expect([0.4, 49, 90, 7200, 200_000].map(lasting)).toEqual(["0 s", "49 s", "2 min", "2 h", "2 d"]);
});

test("days have headings, and what is older its month", () => {
  const said = [0, 1, 3, 60, 400].map((days) => day(before(days * 86_400), NOW));
  expect(said).toEqual(["Today", "Yesterday", "Friday", "October", "October 2025"]);
});

test("sizes, counts and folders are short", () => {
  expect([size(999), size(109_000), size(11_018_570)]).toEqual(["999 B", "109 kB", "11.0 MB"]);
  expect([counted(1, "hit"), counted(8515, "message")]).toEqual(["1 hit", "8,515 messages"]);
  expect([folderName("/home/me/app/"), folderName("C:\\work\\app"), folderName("/")]).toEqual(["app", "app", "/"]);
});

describe("hidden characters", () => {
  test("are named", () => {
    expect(visible("a\u202egpj.exe\u200b\u0000")).toBe("a[U+202E]gpj.exe[U+200B][U+0000]");
  });
  test("leave lines, tabs and joined emoji alone", () => {
    expect(visible("a\n\tb 👩‍💻 é 你好")).toBe("a\n\tb 👩‍💻 é 你好");
  });
  test("are not the ends of lines on Windows; a return alone is", () => {
    expect(visible("a\r\n\r\nb\rc")).toBe("a\n\nb[U+000D]c");
  });
  test("make no second line", () => {
    expect(oneLine("  a\r\n b\n\n\tc ")).toBe("a b c");
  });
});

test("character references are read, and others stay", () => {
  expect(decodeHTML("&amp;lt; &#65;&#x1F600; &nosuch; &#0; &#xD800; &toString;")).toBe("&lt; A😀 &nosuch; \ufffd \ufffd &toString;");
});

describe("addresses in a text", () => {
  test("end before what ends the sentence", () => {
    const ends = ["http://a.test/b.", "http://a.test/(b)", "http://a.test/b)", "http://a.test/b],"].map(trimmed);
    expect(ends).toEqual(["http://a.test/b", "http://a.test/(b)", "http://a.test/b", "http://a.test/b"]);
  });
  test("are found with their places", () => {
    const found = new LinkifyIt().match("see https://a.test, and javascript:alert(1) or a.test")!;
    expect(found.map(({ url, index, lastIndex }) => [url, index, lastIndex])).toEqual([["https://a.test", 4, 18]]);
  });
});

test("an address of the service is filled in and encoded", () => {
  const asked = { path: { session_id: "a/../b?" }, query: { q: "x y&z", tag: ["a", "b"], none: undefined, no: null, is: false } };
  expect(addressOf("http://h", "/s/{session_id}/m", asked)).toBe("http://h/s/a%2F..%2Fb%3F/m?q=x+y%26z&tag=a&tag=b&is=false");
  expect(addressOf("http://h", "/s")).toBe("http://h/s");
});
