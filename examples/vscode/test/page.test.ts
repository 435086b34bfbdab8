import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import type { Message, SessionsClient } from "localsessions-client";
import { connect } from "localsessions-client/discover";
import type { Browser } from "playwright-core";

import { Service, until } from "../../../clients/typescript/build/test/service.js";
import { launched, ShownPage } from "./browser.js";
import { EditorWindow, shown, WebviewPanel } from "./window.js";

let service: Service;
let client: SessionsClient;
let browser: Browser;
let editor: EditorWindow;
let pages: ShownPage[] = [];

before(async () => {
  [service, browser] = await Promise.all([Service.start(), launched()]);
  client = connect({ folder: service.folder });
});
after(async () => {
  await browser.close();
  await service.remove();
});
afterEach(async () => {
  for (const page of pages) {
    assert.deepEqual([page.outside, await page.violations()], [[], []]);
    await page.close();
  }
  pages = [];
  editor.close();
});

function said(count: number, from = 0): Message[] {
  return Array.from({ length: count }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: `message ${from + index}\n`.repeat(4),
  }));
}

/** Open a session that is new, in the editor and in the browser. */
async function opened(sessionId: string, messages: Message[], title = sessionId): Promise<ShownPage> {
  await client.create({ session_id: sessionId, title, messages });
  editor = new EditorWindow(service.folder);
  await until(() => editor.state === "there");
  await editor.command("open", await editor.row(sessionId));
  const [panel] = shown.panels;
  assert.ok(panel !== undefined);
  return inBrowser(panel);
}

async function inBrowser(panel: WebviewPanel): Promise<ShownPage> {
  const page = await ShownPage.of(panel, browser);
  pages.push(page);
  return page;
}

async function count(page: ShownPage): Promise<number> {
  return page.page.locator("article").count();
}

function place(page: ShownPage, text: string): Promise<number> {
  return page.page.getByText(text).first().evaluate((one) => Math.round(one.getBoundingClientRect().top));
}

function isAtEnd(page: ShownPage): Promise<boolean> {
  return page.page.evaluate(() => window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2);
}

test("the last messages are shown first, and those before by range when they are wanted", async () => {
  const page = await opened("long", said(120));
  await until(async () => (await count(page)) === 50);
  assert.equal(await isAtEnd(page), true);
  assert.match((await page.texts("article")).at(-1) ?? "", /message 119/);
  await page.page.evaluate(() => window.scrollTo(0, 0));
  const before = await place(page, "message 70\n");
  await page.page.getByRole("button", { name: "Earlier messages (70)" }).click();
  await until(async () => (await count(page)) === 100);
  assert.ok(Math.abs((await place(page, "message 70\n")) - before) <= 1, "what is read moved");
  await page.page.getByRole("button", { name: "Earlier messages (20)" }).click();
  await until(async () => (await count(page)) === 120);
  assert.equal(await page.page.locator("#earlier").isHidden(), true);
  const numbers = (await page.texts("article")).map((one) => Number(/message (\d+)/.exec(one)?.[1]));
  assert.deepEqual(numbers, [...Array(120).keys()]);
});

test("what comes is shown at the end; who reads further up stays there and is told", async () => {
  const page = await opened("live", said(30));
  await until(async () => (await count(page)) === 30);
  service.run("append", "live", "--role", "user", "from a shell");
  await until(async () => (await count(page)) === 31);
  assert.equal(await isAtEnd(page), true);
  await page.page.evaluate(() => window.scrollTo(0, 300));
  const before = await place(page, "message 5\n");
  await client.append("live", ...said(3, 31));
  await until(async () => (await count(page)) === 34);
  assert.equal(await place(page, "message 5\n"), before);
  await page.page.getByRole("button", { name: "3 new" }).click();
  assert.equal(await isAtEnd(page), true);
  assert.equal(await page.page.locator("#new").isHidden(), true);
});

test("an answer that is being written is replaced in its place, and stays unfolded", async () => {
  const page = await opened("stream", said(1));
  const path = { session_id: "stream", run_id: "run-1" };
  const write = (content: string, reasoning: string) => {
    const body = { messages: [{ role: "assistant", id: "a", reasoning, content }] };
    return client.ask((api) => api.PUT("/api/v1/sessions/{session_id}/runs/{run_id}", { params: { path }, body }));
  };
  await write("One", "First");
  await page.page.getByText("Reasoning").click();
  for (const words of ["One two", "One two three"]) await write(words, `${words}, I think`);
  await until(async () => /One two three$/.test((await page.texts("article")).at(-1) ?? ""));
  assert.match((await page.texts("article details")).at(-1) ?? "", /One two three, I think/);
  assert.equal(await count(page), 2);
});

test("calls, results, reasoning and what is no text are told, folded", async () => {
  const page = await opened("parts", [
    { role: "assistant", content: [
      { type: "thinking", thinking: "Hm." },
      { type: "text", text: "I look." },
      { type: "tool_use", id: "1", name: "Bash", input: { command: "ls" } },
    ] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "text", text: "a.txt" }] }] },
    { role: "assistant", content: null, tool_calls: [{ id: "2", function: { name: "read", arguments: '{"path": "a.txt"}' } }] },
    { role: "tool", tool_call_id: "2", content: "Hello" },
    { role: "user", content: [{ type: "image", source: { type: "base64", data: "A".repeat(50_000) } }, { odd: [1] }, 7] },
  ]);
  await until(async () => (await count(page)) === 5);
  assert.deepEqual(await page.texts("summary"), [
    "Reasoning", "Call: Bash", "Result", "Call: read", "Result", "Not shown as text: image", "Not shown as text", "Not shown as text",
  ]);
  const texts = await page.page.locator(".text").allTextContents();
  assert.deepEqual(texts.slice(0, 6), ["Hm.", "I look.", '{\n  "command": "ls"\n}', "a.txt", '{"path": "a.txt"}', "Hello"]);
  assert.equal(texts[6]?.length, 2_000);
});

test("a hostile session is shown as text: nothing runs, nobody is asked", async () => {
  const script = "<script>window.hit=1</script><img src=https://outside.test/x onerror='window.hit=1'>";
  const hostile = `${script}\u202e\u0000\u001b[31m](command:x) </main>`;
  const id = `'" onload='window.hit=1' <script>`;
  const page = await opened(id, [
    { role: hostile, name: hostile, content: hostile, reasoning: hostile },
    { role: "__proto__", content: [{ type: hostile }, { type: "tool_use", name: hostile, input: { [hostile]: hostile } }] },
    { role: "user", content: `javascript:alert(1) ${"![x](https://outside.test/y)".repeat(100)}` },
  ], hostile);
  await until(async () => (await count(page)) === 3);
  const body = await page.page.locator("body").evaluate((one) => one.textContent ?? "");
  assert.match(body, /<img src=https:\/\/outside\.test\/x onerror='window\.hit=1'>\\u202e\\x00\\x1b\[31m/);
  assert.doesNotMatch(body, /[\u202e\u001b]/);
  assert.equal(await page.page.evaluate(() => (window as { hit?: unknown }).hit), undefined);
  assert.equal(await page.page.locator("img, script:not([nonce]), iframe, a").count(), 0);
  assert.equal(page.panel.title.includes("\u202e"), false);
  const state = await page.page.evaluate(() => (window as unknown as { stored: { state: unknown } }).stored.state);
  assert.deepEqual(state, { sessionId: id });
});

test("the page is under a policy that lets nothing in but its own script and style", async () => {
  const page = await opened("policy", said(1));
  const first = page.panel.webview.html;
  const policy = /content="(default-src [^"]*)"/.exec(first)?.[1] ?? "";
  const nonce = /nonce-([\w+/=]{32})'/.exec(policy)?.[1];
  assert.ok(nonce !== undefined);
  assert.equal(policy, `default-src 'none'; script-src 'nonce-${nonce}'; style-src https://webview.test; base-uri 'none'; form-action 'none'`);
  assert.doesNotMatch(first, /message 0|Bearer|127\.0\.0\.1/);
  const { options } = page.panel.webview;
  assert.deepEqual(Object.keys(options).sort(), ["enableScripts", "localResourceRoots"]);
  assert.match(String(options.localResourceRoots?.[0]), /\/build$/);
  editor.close();
  editor = new EditorWindow(service.folder);
  await until(() => editor.state === "there");
  await editor.command("open", await editor.row("policy"));
  assert.equal(shown.panels[0]?.webview.html.includes(nonce), false);
  // What is put into the page by force is stopped: the policy is in force.
  await page.page.evaluate(() => {
    const image = document.createElement("img");
    image.src = "https://outside.test/z";
    document.body.append(image);
  });
  await until(async () => (await page.violations()).length === 1);
  assert.deepEqual([await page.violations(), page.outside], [["img-src https://outside.test/z"], []]);
  pages = [];
  await page.close();
});

test("the token and the address of the service never reach the page", async () => {
  const page = await opened("secret", said(2));
  await until(async () => (await count(page)) === 2);
  const { url, token } = await client.address();
  const all = JSON.stringify(page.panel.webview.said) + page.panel.webview.html;
  assert.equal(all.includes(token) || all.includes(url), false);
});

test("what another program takes out or breaks is told, and mended", async () => {
  const page = await opened("edited", said(4));
  await until(async () => (await count(page)) === 4);
  const path = join(service.folder, "edited.json");
  const whole = await readFile(path, "utf8");
  const session = JSON.parse(whole) as { messages: unknown[] };
  session.messages.splice(1, 2);
  await writeFile(path, JSON.stringify(session));
  await until(async () => (await count(page)) === 2);
  await writeFile(path, "{");
  await until(async () => /edited/.test((await page.texts("#problem")).join()));
  await writeFile(path, whole);
  await until(async () => (await count(page)) === 4 && (await page.page.locator("#problem").isHidden()));
});

test("a session that is deleted stays to be read, and goes on when it is back", async () => {
  const page = await opened("undone", said(2));
  await until(async () => (await count(page)) === 2);
  await editor.command("delete", await editor.row("undone"));
  await until(async () => (await page.texts("#problem")).join() === "This session was deleted.");
  assert.equal(await count(page), 2);
  service.run("restore", "undone");
  await until(() => page.page.locator("#problem").isHidden());
});

test("a page tells that no service answers, and catches up when one does", async () => {
  const page = await opened("again", said(2));
  await until(async () => (await count(page)) === 2);
  await service.stop("SIGKILL");
  await until(async () => /No service answers/.test((await page.texts("#problem")).join()));
  service.run("append", "again", "--role", "user", "meanwhile");
  await service.restart();
  await until(async () => (await count(page)) === 3 && (await page.page.locator("#problem").isHidden()));
});

test("a new name is seen in the page and on its tab", async () => {
  const page = await opened("named", said(1), "Before");
  service.run("rename", "named", "After");
  await until(async () => (await page.texts("h1")).join() === "After" && page.panel.title === "After");
});

test("a page that was hidden is filled again; one that is open is not opened twice", async () => {
  const page = await opened("hidden", said(2));
  await until(async () => (await count(page)) === 2);
  await page.page.reload();
  await until(async () => (await count(page)) === 2);
  await editor.command("open", await editor.row("hidden"));
  assert.deepEqual([shown.panels.length, page.panel.reveals], [1, 1]);
});

test("after a restart of the editor a page is there again, by nothing but its id", async () => {
  await opened("restored", said(2));
  const panel = new WebviewPanel("localsessions.session", "old", {});
  const serializer = shown.serializers.get("localsessions.session");
  await serializer?.deserializeWebviewPanel(panel as never, { sessionId: "restored", html: "<b>" });
  const page = await inBrowser(panel);
  await until(async () => (await count(page)) === 2);
  for (const state of [undefined, null, 7, {}, { sessionId: 7 }, { sessionId: "" }]) {
    const broken = new WebviewPanel("localsessions.session", "old", {});
    let isGone = false;
    broken.onDidDispose(() => (isGone = true));
    await serializer?.deserializeWebviewPanel(broken as never, state);
    assert.deepEqual([isGone, broken.webview.html], [true, ""]);
  }
});

test("what a page says is data: anything else does nothing", async () => {
  const page = await opened("odd", said(1));
  await until(async () => (await count(page)) === 1);
  const before = page.panel.webview.said.length;
  for (const odd of [undefined, null, 7, "ready", {}, { type: "command", command: "x" }, { type: ["ready"] }, { type: "earlier" }]) {
    page.panel.webview.received.fire(odd);
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  const answers = page.panel.webview.said.slice(before).map((one) => (one as { type: string }).type);
  assert.deepEqual(answers.filter((one) => one !== "from"), []); // that is what happened to the session
});

test("colours are those of the theme, and all is in reach of the keyboard", async () => {
  const page = await opened("theme", [...said(60), { role: "assistant", reasoning: "Hm.", content: "Yes." }]);
  await until(async () => (await count(page)) === 50);
  const colours = await page.page.evaluate(() => {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return [backgroundColor, color];
  });
  assert.deepEqual(colours, ["rgb(30, 30, 30)", "rgb(204, 204, 204)"]);
  await page.page.keyboard.press("Tab");
  assert.equal(await page.page.evaluate(() => document.activeElement?.id), "earlier");
  await page.page.keyboard.press("Enter");
  await until(async () => (await count(page)) === 61);
});

test("a text of megabytes is cut, and says where the rest is", async () => {
  const page = await opened("huge", [{ role: "tool", content: "x".repeat(2_000_000) }]);
  await until(async () => (await count(page)) === 1);
  const [text] = await page.page.locator(".text").allTextContents();
  assert.match(text?.slice(-80) ?? "", /x\n… 1900000 more characters: localsessions show has all$/);
  assert.ok(JSON.stringify(page.panel.webview.said).length < 200_000);
});
