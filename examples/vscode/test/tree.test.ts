import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import type { SessionsClient } from "localsessions-client";
import { connect } from "localsessions-client/discover";
import type { ThemeIcon, TreeItem } from "vscode";

import { python, Service, until } from "../../../clients/typescript/build/test/service.js";
import { ageOf } from "../src/plain.js";
import { EditorWindow, shown, Uri, workspace } from "./window.js";

let service: Service;
let client: SessionsClient;
let editor: EditorWindow;
let shop: string;

before(async () => {
  service = await Service.start();
  client = connect({ folder: service.folder });
  shop = join(service.folder, "..", `shop-${service.pid}`);
  await mkdir(join(shop, ".git"), { recursive: true });
  await mkdir(join(shop, "web"));
  store(`
for number, name in enumerate(["old", "middle", "new"]):
    at = datetime.now(timezone.utc) - timedelta(days=3 - number)
    source = {"program": "claude-code", "project": ${JSON.stringify(shop)}}
    store.save(Session(session_id=name, title=f"The {name} one", source=source, created_at=at, last_activity=at))
store.save(Session(session_id="elsewhere", title="Elsewhere", source={"project": "/elsewhere"}))
store.pin("old")
store.save(Session(session_id="away", title="Away"))
store.archive("away")`);
  await writeFile(join(service.folder, "broken.json"), '{"session_id": "broken",\n "title": ');
});
after(async () => {
  await service.remove();
  await rm(shop, { recursive: true });
});
afterEach(() => editor.close());

/** Act on the store, as another program. */
function store(code: string): void {
  python(
    `from datetime import datetime, timedelta, timezone
from localsessions import Session, SessionStore
with SessionStore(${JSON.stringify(service.folder)}) as store:
    ${code.trim().replaceAll("\n", "\n    ")}`,
  );
}

function iconOf(item: TreeItem | undefined): string | undefined {
  return (item?.iconPath as ThemeIcon | undefined)?.id;
}

async function opened(...folders: string[]): Promise<EditorWindow> {
  editor = new EditorWindow(service.folder, folders);
  await until(() => editor.state === "there");
  return editor;
}

test("the sessions of the workspace's project come first, the last active at the top", async () => {
  await opened(shop);
  const groups = await editor.groups();
  assert.deepEqual(
    groups.map((one) => [one.label, editor.item(one).collapsibleState]),
    [
      [`shop-${service.pid}`, 2],
      ["All Projects", 1],
      ["Archive", 1],
    ],
  );
  const items = await editor.items(groups[0]?.label ?? "");
  assert.deepEqual(
    items.map((one) => [one.label, one.description]),
    [
      ["The new one", "1 d · claude-code"],
      ["The middle one", "2 d · claude-code"],
      ["The old one", "pinned · 3 d · claude-code"],
    ],
  );
});

test("a folder inside the repository has the project's sessions; without a folder all are shown", async () => {
  await opened(join(shop, "web"));
  assert.equal((await editor.items("web")).length, 3);
  editor.close();
  await opened();
  const [first] = await editor.groups();
  assert.deepEqual([first?.label, first?.isOpen], ["All Projects", true]);
});

test("a virtual folder asks for nothing", async () => {
  await opened();
  workspace.workspaceFolders = [{ uri: new Uri("vscode-vfs", "/github/x"), name: "x" }];
  assert.deepEqual((await editor.groups()).map((one) => one.label), ["All Projects", "Archive"]);
});

test("pinned, archived and unreadable sessions are marked and offer what they can", async () => {
  await opened();
  const all = new Map((await editor.items("All Projects")).map((one) => [one.id, one]));
  const pinned = all.get("all:old");
  assert.deepEqual([iconOf(pinned), pinned?.contextValue], ["pinned", "session readable pinned kept resumable"]);
  const broken = all.get("all:broken");
  assert.deepEqual([iconOf(broken), broken?.contextValue], ["warning", "session"]);
  assert.match(String(broken?.description), /^unreadable: /);
  assert.match(String(broken?.tooltip), /line \d/);
  const [away] = await editor.items("Archive");
  assert.deepEqual([away?.label, away?.contextValue], ["Away", "session readable loose archived"]);
});

test("what a stranger wrote is one line of plain text", async () => {
  store(`
store.save(Session(session_id="hostile", title="\\x1b[31m<b>$(rm)\\n\\u202egnp.exe\\x00 " + "x" * 300,
    source={"program": "evil\\x07\\nprogram", "project": "[x](command:y)", "branch": "\\u2028"}))`);
  await opened();
  const row = await editor.row("hostile");
  const item = editor.item(row);
  assert.match(String(item.label), /^\\x1b\[31m<b>\$\(rm\) \\u202egnp\.exe\\x00 x+…$/);
  assert.equal(Array.from(String(item.label)).length, 200);
  assert.equal(item.description, "now · evil\\x07 program");
  assert.equal(typeof item.tooltip, "string");
  for (const text of [item.label, item.description, item.tooltip, item.accessibilityInformation?.label]) {
    assert.doesNotMatch(String(text), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2028]/);
  }
  service.run("delete", "hostile", "--yes");
});

test("what happens is shown by itself, once for many changes", async () => {
  await opened();
  let refreshes = 0;
  const end = shown.tree?.treeDataProvider.onDidChangeTreeData?.(() => (refreshes += 1));
  await new Promise((resolve) => setTimeout(resolve, 500)); // what the start brings
  refreshes = 0;
  store(`
for number in range(40):
    store.create(f"live-{number}", title=f"Live {number}")`);
  await until(async () => (await editor.items("All Projects")).some((one) => one.label === "Live 39"));
  await until(() => refreshes > 0);
  assert.ok(refreshes < 20, `${refreshes} refreshes`);
  end?.dispose();
});

test("a long list is shown in steps", async () => {
  store(`
for number in range(60):
    store.save(Session(session_id=f"many-{number}", source={"project": "/many"}))`);
  await opened("/many");
  const rows = await editor.rows("many");
  const more = rows.at(-1);
  assert.ok(more !== undefined && more.kind === "more");
  assert.deepEqual([rows.length, editor.item(more).description], [51, "10 more"]);
  await editor.command("more", more);
  assert.equal((await editor.rows("many")).length, 60);
  const session = JSON.stringify({ source: { project: "/many" }, messages: [] });
  await Promise.all([...Array(1_100).keys()].map((one) => writeFile(join(service.folder, `more-${one}.json`), session)));
  await until(async () => (await client.ask((api) => api.GET("/api/v1/count", { params: { query: { project: "/many" } } }))).count === 1_160);
  for (let steps = 0; steps < 21; steps += 1) await editor.command("more", more); // more than one answer has
  const ids = (await editor.rows("many")).flatMap((one) => (one.kind === "row" ? [one.line.session_id] : []));
  assert.deepEqual([ids.length, new Set(ids).size], [1_150, 1_150]);
});

test("what the service refuses to list is told above the tree, and no longer when it does not", async () => {
  await opened(`/${"x".repeat(200_000)}`);
  assert.deepEqual(await editor.children(), []);
  assert.match(shown.tree?.message ?? "", /^The sessions cannot be listed: \S/);
  workspace.workspaceFolders = [];
  assert.equal((await editor.children()).length, 2);
  assert.equal(shown.tree?.message, undefined);
});

test("that the service is gone, and is there again, is seen by itself", async () => {
  await opened();
  await service.stop("SIGKILL");
  await until(() => editor.state === "none");
  assert.deepEqual(await editor.children(), []);
  let refreshes = 0;
  const end = shown.tree?.treeDataProvider.onDidChangeTreeData?.(() => (refreshes += 1));
  await new Promise((resolve) => setTimeout(resolve, 500)); // what the end brings
  refreshes = 0;
  await service.restart();
  await until(() => editor.state === "there" && refreshes > 0);
  assert.ok((await editor.items("All Projects")).length > 0);
  end?.dispose();
});

test("another folder in the settings is another service", async () => {
  await opened();
  const other = await Service.start();
  try {
    shown.settings["localsessions.folder"] = other.folder;
    workspace.configured.fire({ affectsConfiguration: (name) => name === "localsessions.folder" });
    await until(async () => (await editor.children()).length === 0 && editor.state === "empty");
  } finally {
    await other.remove();
  }
});

test("nothing is left when the window is closed", async () => {
  await opened();
  editor.close();
  assert.equal(shown.tree, undefined);
  assert.deepEqual([...shown.commands.keys(), ...shown.serializers.keys(), ...shown.panels], []);
  assert.deepEqual([workspace.configured.listeners.size, workspace.folders.listeners.size], [0, 0]);
  editor = new EditorWindow(service.folder);
});

test("an age is told in its largest unit", () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  const ages = ["2026-11-30T11:59:30Z", "2026-11-30T11:01:00Z", "2026-11-30T09:00:00Z", "2026-11-01T12:00:00Z", "2024-01-01T00:00:00Z"];
  assert.deepEqual(ages.map((one) => ageOf(one, now)), ["now", "59 min", "3 h", "29 d", "2 y"]);
  assert.equal(ageOf("2026-12-01T00:00:00Z", now), "now");
});
