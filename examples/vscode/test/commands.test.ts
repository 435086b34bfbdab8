import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { ProblemError, type SessionDetail, type SessionsClient } from "localsessions-client";
import { connect, discover } from "localsessions-client/discover";

import { Service, until } from "../../../clients/typescript/build/test/service.js";
import { EditorWindow, shown, workspace } from "./window.js";

let service: Service;
let client: SessionsClient;
let editor: EditorWindow;

before(async () => {
  service = await Service.start();
  client = connect({ folder: service.folder });
});
after(() => service.remove());
afterEach(() => editor.close());

/** Open a window, with a new session in the folder. */
async function opened(sessionId: string, title = sessionId): Promise<void> {
  await client.create({ session_id: sessionId, title, messages: [{ role: "user", content: "Hello" }] });
  editor = new EditorWindow(service.folder);
  await until(() => editor.state === "there");
}

async function detail(sessionId: string): Promise<SessionDetail> {
  return (await client.session(sessionId)).value;
}

async function isThere(sessionId: string): Promise<boolean> {
  return detail(sessionId).then(
    () => true,
    (reason) => {
      assert.ok(reason instanceof ProblemError && reason.status === 404);
      return false;
    },
  );
}

test("a session is renamed by what is typed; Escape changes nothing", async () => {
  await opened("renamed", "Before");
  await editor.command("rename", await editor.row("renamed"));
  assert.equal((await detail("renamed")).title, "Before");
  shown.typed = "After <b> $(x)";
  await editor.command("rename", await editor.row("renamed"));
  assert.equal((await detail("renamed")).title, "After <b> $(x)");
  assert.equal(shown.inputs[0]?.value, "Before");
  shown.typed = "  ";
  await editor.command("rename", await editor.row("renamed"));
  assert.equal(editor.item(await editor.row("renamed")).label, "Hello");
  assert.deepEqual(shown.notices, []);
});

test("a name that another program gave meanwhile is not replaced, and is told", async () => {
  await opened("twice", "Seen");
  const row = await editor.row("twice");
  service.run("rename", "twice", "Another");
  shown.typed = "Mine";
  await editor.command("rename", row);
  assert.equal((await detail("twice")).title, "Another");
  assert.match(shown.notices[0]?.text ?? "", /another program named it "Another" meanwhile; nothing was renamed/);
});

test("a session is pinned and let go, by a menu or by a key", async () => {
  await opened("pinned");
  await editor.command("pin", await editor.row("pinned"));
  assert.equal((await detail("pinned")).pinned, true);
  if (shown.tree !== undefined) shown.tree.selection = [await editor.row("pinned")];
  await editor.command("unpin");
  assert.equal((await detail("pinned")).pinned, false);
});

test("a session is pinned, named and deleted though another program writes to it all the time", async () => {
  await opened("busy");
  const row = await editor.row("busy");
  let isDone = false;
  const writing = (async () => {
    while (!isDone) {
      await client.append("busy", { role: "assistant", content: "x" });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })().catch((reason: unknown) => assert.equal((reason as ProblemError).status, 404));
  for (let times = 0; times < 10; times += 1) {
    await editor.command(times % 2 ? "unpin" : "pin", row);
    shown.typed = `Name ${times}`;
    await editor.command("rename", await editor.row("busy"));
  }
  assert.equal((await detail("busy")).title, "Name 9");
  await editor.command("delete", row);
  isDone = true;
  await writing;
  assert.deepEqual(shown.notices.map((one) => one.kind), ["information"]);
});

test("a session goes into the archive, and comes back by undo or by its command", async () => {
  await opened("archived");
  await editor.command("archive", await editor.row("archived"));
  assert.equal((await detail("archived")).status, "archived");
  await editor.command("unarchive", await editor.row("archived", "Archive"));
  assert.equal((await detail("archived")).status, "active");
  shown.choice = "Undo";
  await editor.command("archive", await editor.row("archived"));
  await until(async () => (await detail("archived")).status === "active");
});

test("a fork is made and opened", async () => {
  await opened("forked", "Origin");
  await editor.command("fork", await editor.row("forked"));
  const fork = (await client.page()).sessions.find((one) => one.title === "Origin (fork)");
  assert.ok(fork !== undefined);
  assert.deepEqual(shown.panels.map((one) => one.title), ["Origin (fork)"]);
});

test("a session is deleted, and undo in the notice brings it back", async () => {
  await opened("deleted", "Gone");
  await editor.command("delete", await editor.row("deleted"));
  assert.equal(await isThere("deleted"), false);
  assert.deepEqual(shown.notices, [{ kind: "information", text: 'Deleted "Gone".', choices: ["Undo"] }]);
  await client.ask((api) => api.POST("/api/v1/sessions/{session_id}/restore", { params: { path: { session_id: "deleted" } } }));
  shown.choice = "Undo";
  await editor.command("delete", await editor.row("deleted"));
  await until(() => isThere("deleted"));
  assert.equal((await detail("deleted")).message_count, 1);
});

test("a title is never a link of a notice, nor more than its one line", async () => {
  await opened("linked", "[OK](command:workbench.action.terminal.sendSequence)\n\u202e\u001b[2J[a](https://x.test)");
  await editor.command("archive", await editor.row("linked"));
  await editor.command("delete", await editor.row("linked", "Archive"));
  assert.equal(shown.notices.length, 2);
  for (const { text } of shown.notices) {
    // What VS Code takes for a link in a notice.
    assert.doesNotMatch(text, /\[[^\]]+\]\((https?:\/\/|command:|file:)/i);
    assert.doesNotMatch(text, /[\u0000-\u001f\u202e]/);
    assert.match(text, /\[OK\] \(command:/);
  }
});

test("a session is resumed by an argument list, in no shell, and outside the workspace", async () => {
  await opened("-rf $(x); `y`", "T\u001b]0;x\u0007");
  const row = await editor.row("-rf $(x); `y`");
  assert.ok(row.kind === "row");
  const line = { ...row.line, program: "claude-code" };
  await editor.command("resume", { ...row, line });
  assert.deepEqual(shown.terminals, [
    {
      name: "T\\x1b]0;x\\x07",
      shellPath: shown.settings["localsessions.program"],
      shellArgs: ["--dir", service.folder, "resume", "--", "-rf $(x); `y`"],
      cwd: homedir(),
      env: { NoDefaultCurrentDirectoryInExePath: "1" },
    },
  ]);
});

test("those arguments name the session to the command line", async () => {
  await opened("--help");
  const told = service.run("show", "--", "--help");
  assert.match(told, /Hello/);
  assert.throws(() => service.run("resume", "--", "--help"), /session '--help' /);
});

test("nothing is resumed in a workspace without trust, nor without a program", async () => {
  await opened("alone");
  const row = await editor.row("alone");
  await editor.command("resume", row);
  workspace.isTrusted = false;
  assert.ok(row.kind === "row");
  await editor.command("resume", { ...row, line: { ...row.line, program: "claude-code" } });
  assert.deepEqual(shown.terminals, []);
  const [first, second] = shown.notices.map((one) => one.text);
  assert.match(first ?? "", /No program goes on with this session/);
  assert.match(second ?? "", /Trust the workspace/);
});

test("what goes wrong is told, with the service's own remedy", async () => {
  await opened("lost");
  const row = await editor.row("lost");
  service.run("delete", "lost", "--yes");
  await editor.command("pin", row);
  assert.equal(shown.notices[0]?.kind, "error");
  assert.match(shown.notices[0]?.text ?? "", /lost/);
});

test("without a service its state is told; started by the command, it answers, and ends with the window", async () => {
  const folder = await mkdtemp(join(tmpdir(), "localsessions-"));
  try {
    editor = new EditorWindow(folder);
    await until(() => editor.state === "none");
    assert.deepEqual(await editor.children(), []);
    await editor.command("start");
    assert.deepEqual(shown.notices, []);
    await until(async () => (await editor.children()).length === 0 && editor.state === "empty");
    const { url } = await discover({ folder });
    await editor.command("start"); // one that answers is not started twice
    assert.equal((await discover({ folder })).url, url);
    editor.close();
    await until(() => discover({ folder }).then(() => false, () => true));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
});

test("a program that is not there, or does not serve, is told with the remedy", async () => {
  const folder = await mkdtemp(join(tmpdir(), "localsessions-"));
  editor = new EditorWindow(folder);
  shown.settings["localsessions.program"] = "no-such-program; touch x";
  await editor.command("start");
  shown.settings["localsessions.program"] = process.execPath;
  await editor.command("start");
  assert.match(shown.notices[0]?.text ?? "", /no program 'no-such-program; touch x'. Install it by: pip install 'localsessions\[cli,server\]'/);
  assert.match(shown.notices[1]?.text ?? "", /serve' ended with \d+: \S/);
  await rm(folder, { recursive: true });
});

test("a command that finds no service offers to start one", async () => {
  await opened("offline");
  const row = await editor.row("offline");
  await service.stop();
  await editor.command("pin", row);
  assert.match(shown.notices[0]?.text ?? "", /no service answers for .*: start it with 'localsessions --dir/);
  assert.deepEqual(shown.notices[0]?.choices, ["Start the Service"]);
  shown.choice = "Start the Service";
  await editor.command("pin", row);
  await until(() => editor.state === "there");
  await editor.command("pin", row);
  assert.equal((await detail("offline")).pinned, true);
  editor.close();
  await service.restart();
});
