import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser, type ServerEvent } from "../src/sse.js";

const STREAM =
  ": ping\n\nevent: ready\r\nid: 7\r\ndata: {\"a\":1}\r\n\r\ndata: two\ndata:lines é漢\nid\n\n" +
  "event: empty\n\ndata\n\nid: 8\0\ndata: x\rdata: y\r\rretry: 5\nunknown: z\ndata: last\n\ndata: cut";

const EVENTS: ServerEvent[] = [
  { event: "ready", data: '{"a":1}', id: "7" },
  { event: "message", data: "two\nlines é漢", id: "" },
  { event: "message", data: "", id: "" },
  { event: "message", data: "x\ny", id: "" },
  { event: "message", data: "last", id: "" },
];

test("a stream is taken apart alike, wherever its bytes are cut", () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new EventParser();
    const found: ServerEvent[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...parser.take(bytes.subarray(at, at + size)));
    assert.deepEqual(found, EVENTS, `in pieces of ${size}`);
  }
});
