import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { BUILD, EditorWindow, ROOT, shown } from "./window.js";

const PACKAGE = join(BUILD, "localsessions.vsix");

interface Manifest {
  main: string;
  engines: { vscode: string };
  activationEvents: string[];
  capabilities: Record<"untrustedWorkspaces" | "virtualWorkspaces", { supported: unknown }>;
  contributes: {
    commands: { command: string; enablement?: string }[];
    configuration: { properties: Record<string, { scope: string; default: string }> };
    menus: Record<string, { command: string; when: string }[]>;
    keybindings: { command: string }[];
    viewsWelcome: { when: string; contents: string }[];
    views: Record<string, { id: string }[]>;
  };
  [key: string]: unknown;
}

let folder: string;
let manifest: Manifest;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "localsessions-"));
  zip("-e", PACKAGE, folder);
  manifest = JSON.parse(await inside("package.json")) as Manifest;
});
after(() => rm(folder, { recursive: true }));

function zip(...given: string[]): string {
  const done = spawnSync(process.env["LOCALSESSIONS_PYTHON"] ?? "python3", ["-m", "zipfile", ...given], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

function inside(name: string): Promise<string> {
  return readFile(join(folder, "extension", name), "utf8");
}

test("the package has these files and no more", () => {
  const names = zip("-l", PACKAGE).trim().split("\n").slice(1).map((line) => line.split(/\s{2,}/)[0]);
  assert.deepEqual(names.sort(), [
    "[Content_Types].xml",
    "extension.vsixmanifest",
    "extension/LICENSE.txt",
    "extension/NOTICE",
    "extension/build/extension.js",
    "extension/build/page.css",
    "extension/build/page.js",
    "extension/media/sessions.svg",
    "extension/package.json",
    "extension/readme.md",
  ]);
});

test("what is packaged is what was tested", async () => {
  for (const name of ["build/extension.js", "build/page.js", "build/page.css", "NOTICE"]) {
    assert.equal(await inside(name), await readFile(join(ROOT, name), "utf8"));
  }
  assert.match(await inside("readme.md"), /It was not seen in VS Code/);
});

test("it asks for nothing at run time but VS Code and node", async () => {
  assert.equal(manifest["dependencies"], undefined);
  assert.equal(manifest["extensionDependencies"], undefined);
  const code = await inside("build/extension.js");
  const asked = [...code.matchAll(/\brequire\("([^"]+)"\)/g)].map((one) => one[1]?.replace("node:", "") ?? "");
  assert.ok(asked.includes("vscode"));
  assert.deepEqual(asked.filter((one) => one !== "vscode" && !builtinModules.includes(one)), []);
});

test("only the stable API is used, and nothing is reported to anybody", async () => {
  assert.equal(manifest["enabledApiProposals"], undefined);
  assert.equal(JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")).devDependencies["@types/vscode"], manifest.engines.vscode.replace("^", ""));
  const code = (await inside("build/extension.js")) + (await inside("build/page.js"));
  assert.doesNotMatch(code, /telemetry|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|shell: ?true/i);
  assert.deepEqual(code.match(/https?:\/\/[^\s"'`)]+/g), null);
});

test("it starts when it is wanted, and says what it does without trust", () => {
  assert.deepEqual(manifest.activationEvents, ["onWebviewPanel:localsessions.session"]);
  assert.equal(manifest.capabilities.untrustedWorkspaces.supported, "limited");
  assert.equal(manifest.capabilities.virtualWorkspaces.supported, "limited");
  const resume = manifest.contributes.commands.find((one) => one.command === "localsessions.resume");
  assert.equal(resume?.enablement, "isWorkspaceTrusted");
});

test("no workspace can say which program is started, or where", () => {
  const { properties } = manifest.contributes.configuration;
  assert.deepEqual(Object.keys(properties), ["localsessions.folder", "localsessions.program"]);
  for (const setting of Object.values(properties)) assert.equal(setting.scope, "machine");
});

test("each command that is offered is there, and each that is there is offered", () => {
  const { commands, menus, keybindings, viewsWelcome } = manifest.contributes;
  const editor = new EditorWindow(folder);
  const there = [...shown.commands.keys()].sort();
  editor.close();
  assert.deepEqual(commands.map((one) => one.command).sort(), there);
  const offered = [...Object.values(menus).flat(), ...keybindings].map((one) => one.command);
  const linked = viewsWelcome.flatMap((one) => [...one.contents.matchAll(/\(command:([^)]+)\)/g)].map((link) => link[1] ?? ""));
  assert.deepEqual([...offered, ...linked].filter((one) => !there.includes(one)), []);
});

test("each word by which a menu chooses is one that a row can have", async () => {
  const asked = Object.values(manifest.contributes.menus).flat().flatMap((one) => [...one.when.matchAll(/\\b(\w+)\\b/g)].map((word) => word[1] ?? ""));
  const code = await readFile(join(ROOT, "src", "tree.ts"), "utf8");
  assert.ok(asked.length > 5);
  for (const word of asked) assert.match(code, new RegExp(`"${word}"`));
});

test("the welcome tells what to do in each state that has no rows", () => {
  const states = manifest.contributes.viewsWelcome.map((one) => one.when);
  assert.deepEqual(states, ["localsessions.state == none", "localsessions.state == empty"]);
  assert.match(manifest.contributes.viewsWelcome[0]?.contents ?? "", /command:localsessions\.start.*localsessions serve.*pip install/s);
});
