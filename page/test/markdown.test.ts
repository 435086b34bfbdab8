// @vitest-environment happy-dom
// What is purified afterwards is tried in a real browser: tests/browser/test_hostile.py.
import { describe, expect, test } from "vitest";

import { markup as rendered } from "../src/text/markdown";

describe("Markdown", () => {
  test("is drawn", () => {
    const made = rendered("# Title\n\n- **a** `b`\n\n| x | y |\n|:--|--:|\n| 1 | 2 |\n\n```python\nprint(1)\n```");
    for (const part of ["<h1>Title</h1>", "<strong>a</strong>", '<td class="right">2</td>', 'class="hljs-number"']) {
      expect(made).toContain(part);
    }
    expect(made).not.toContain("style=");
  });

  test("links go outside in a tab that knows nothing of this one", () => {
    const made = rendered("[a](https://a.test/x) and https://b.test.");
    expect(made.match(/rel="noopener noreferrer"/g)).toHaveLength(2);
    expect(made).toContain('href="https://b.test"');
  });

  test("a place that the page does not have is no link", () => {
    expect(rendered("[a](src/a.ts)")).toBe('<p><a title="src/a.ts">a</a></p>\n');
  });

  test("pictures of elsewhere are not loaded", () => {
    expect(rendered("![a dog](https://a.test/dog.png)")).not.toContain("<img");
    expect(rendered("![a dot](data:image/png;base64,AAAA)")).toContain('<img src="data:image/png;base64,AAAA" alt="a dot">');
    expect(rendered("![svg](data:image/svg+xml;base64,AAAA)")).not.toContain("<img");
  });

  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&#58;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    '[x](https://a.test "onmouseover=alert(1)")',
    "<svg><a xlink:href=javascript:alert(1)>",
    "```html\n<script>alert(1)</script>\n```",
    "```\"><script>alert(1)</script>\nx\n```",
    "<math><mtext><style><img onerror=alert(1)>",
    "https://a.test/\"onmouseover=alert(1)",
  ])("hostile text stays text: %s", (text) => {
    const box = document.createElement("div");
    box.innerHTML = rendered(text);
    expect(box.querySelectorAll("script, style, svg, math, img, iframe")).toHaveLength(0);
    for (const element of box.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on/);
        if (name === "href") expect(value).toMatch(/^https?:/);
      }
    }
  });

  test.each([
    ["quotes", ">".repeat(20_000)],
    ["brackets", "[".repeat(20_000)],
    ["stars", "*a ".repeat(7_000)],
    ["backticks", "`".repeat(19_999) + "a"],
    ["addresses", "http://a.test/(((".repeat(1_200)],
    ["table", "|".repeat(10_000) + "\n" + "|-".repeat(5_000)],
  ])("a bomb of %s is drawn all the same", (_, text) => {
    expect(rendered(text).length).toBeGreaterThan(0);
  });
});
