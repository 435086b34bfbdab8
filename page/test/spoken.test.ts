import { describe, expect, test } from "vitest";

import type { Message } from "../src/service";
import { gistOf, partsOf, summaryOf } from "../src/session/spoken";

const parts = (message: object) => partsOf(message as Message);

describe("the parts of a message", () => {
  test("of a program with content parts", () => {
    const found = parts({
      role: "assistant",
      content: [
        { type: "thinking", thinking: "hm" },
        { type: "text", text: "hello" },
      ],
      tool_calls: [{ id: "c", type: "function", function: { name: "bash", arguments: '{"command": "ls\\n-l"}' } }],
    });
    expect(found).toEqual([
      { kind: "thought", text: "hm" },
      { kind: "text", text: "hello" },
      { kind: "call", id: "c", name: "bash", input: '{\n  "command": "ls\\n-l"\n}', summary: "ls -l" },
    ]);
  });

  test("of a tool are a result", () => {
    expect(parts({ role: "tool", content: "no", is_error: true })).toEqual([{ kind: "result", text: "no", isError: true }]);
    expect(parts({ role: "tool" })).toEqual([{ kind: "result", text: "", isError: false }]);
  });

  test("a thought that is kept twice is told once", () => {
    const message = { role: "assistant", content: [{ type: "thinking", thinking: "hm" }], reasoning_content: "hm" };
    expect(parts(message)).toEqual([{ kind: "thought", text: "hm" }]);
  });

  test("thoughts of gemini-cli have a subject", () => {
    expect(parts({ role: "assistant", thoughts: [{ subject: "A", description: "b" }] })).toEqual([{ kind: "thought", text: "A\n\nb" }]);
  });

  test.each([
    [{ type: "image_url", image_url: { url: "data:image/png;base64,AA" } }, "picture"],
    [{ type: "input_image", image_url: "data:image/png;base64,AA" }, "picture"],
    [{ type: "image", source: { type: "base64", media_type: "image/jpeg", data: "AA" } }, "picture"],
    [{ inlineData: { mimeType: "image/webp", data: "AA" } }, "picture"],
    [{ type: "image_url", image_url: { url: "https://a.test/x.png" } }, "other"],
    [{ type: "image_url", image_url: { url: "data:image/svg+xml;base64,AA" } }, "other"],
    [{ type: "image", source: { type: "base64", media_type: "text/html", data: "AA" } }, "other"],
    [{ type: "file", path: "a.txt" }, "other"],
  ])("pictures of data are shown, and nothing is fetched: %o", (part, kind) => {
    expect(parts({ role: "user", content: [part] }).map((one) => one.kind)).toEqual([kind]);
  });

  test.each([null, undefined, 7, true, {}, [], [null, 7, [[]]], { type: {} }, { text: { text: [] } }])("whatever stands there: %o", (content) => {
    expect(parts({ role: "user", content, tool_calls: content, reasoning: content })).toBeInstanceOf(Array);
  });

  test("are compared as one text, with what was called", () => {
    const call = { id: "c", function: { name: "bash", arguments: '{"command": "ls"}' } };
    const message = { role: "assistant", content: [{ text: "a" }, { type: "thinking", thinking: "b" }], tool_calls: [call] };
    expect(gistOf(message as Message)).toBe('a\nb\nbash {\n  "command": "ls"\n}');
    expect(gistOf({ role: "user", content: [{ type: "image_url", image_url: { url: "https://a.test/x" } }] } as Message)).toBe("[picture, not here]");
  });
});

test("a call is told by the argument that says most", () => {
  const said = [{ description: "d", command: ["ls", "-l"] }, '{"path": "a b"}', { input: '{"command": "x"}' }, { n: 1, other: "o" }, {}, "plain"];
  expect(said.map(summaryOf)).toEqual(["ls -l", "a b", "x", "o", "", "plain"]);
});
