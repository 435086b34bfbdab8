import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// One shell runs them all, as a reader does: `sh` blocks as they are, `ts` blocks as they were
// compiled. A `text` block says what the block before it prints; "…" stands for anything.

const GUIDE = fileURLToPath(new URL("../guide", import.meta.url));
const MARK = "==> block";

function scriptOf(blocks: [string, string][]): string {
  const lines = ["set -euo pipefail", "trap 'kill $(jobs -p)' EXIT"];
  for (const [number, [language, text]] of blocks.entries()) {
    if (language === "text") continue;
    lines.push(`printf '\\n%s\\n' '${MARK} ${number}'`);
    lines.push(language === "sh" ? text : `node '${join(GUIDE, `block${number}.js`)}'`);
  }
  return lines.join("\n");
}

function patternOf(text: string): RegExp {
  const parts = text.trim().split("…");
  return new RegExp(`^${parts.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("[^]*?")}$`);
}

function run(script: string, home: string): Promise<{ code: number | null; shown: string; noted: string }> {
  const { LOCALSESSIONS_DIR: _, ...environment } = process.env;
  const shell = spawn("bash", ["-c", script], {
    cwd: home,
    env: { ...environment, HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const told = { shown: "", noted: "" };
  shell.stdout.setEncoding("utf8").on("data", (text) => (told.shown += text));
  shell.stderr.setEncoding("utf8").on("data", (text) => (told.noted += text));
  return new Promise((resolve) => shell.on("exit", (code) => resolve({ code, ...told })));
}

test("each block of docs/plugin.md does what it says", async () => {
  const blocks: [string, string][] = JSON.parse(await readFile(join(GUIDE, "blocks.json"), "utf8"));
  assert.deepEqual(new Set(blocks.map(([language]) => language)), new Set(["sh", "ts", "text"]));
  const home = await mkdtemp(join(tmpdir(), "localsessions-"));
  try {
    const { code, shown, noted } = await run(scriptOf(blocks), home);
    assert.equal(code, 0, `${shown}\n${noted}`);
    const printed = new Map<number, string>();
    for (const part of shown.replaceAll("\r\n", "\n").split(`\n${MARK} `).slice(1)) {
      const end = part.indexOf("\n");
      printed.set(Number(part.slice(0, end)), part.slice(end + 1).trim());
    }
    for (const [number, [language, text]] of blocks.entries()) {
      if (language === "text") assert.match(printed.get(number - 1) ?? "", patternOf(text), `block ${number}`);
    }
    const told = blocks.filter(([language]) => language === "text").length;
    assert.ok(told >= 6, "the guide says what its blocks print");
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
