/** Real services for the tests: `localsessions serve` on a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PYTHON = process.env["LOCALSESSIONS_PYTHON"] ?? "python3";

export class Service {
  #process: ChildProcess | undefined;

  private constructor(readonly folder: string) {}

  /** Start a service on a new folder. */
  static async start(...options: string[]): Promise<Service> {
    const service = new Service(await mkdtemp(join(tmpdir(), "localsessions-")));
    await service.restart(...options);
    return service;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error("the service has not started");
    return pid;
  }

  /** Start a service on the folder; it has another token, and another port if none is given. */
  async restart(...options: string[]): Promise<void> {
    const given = options.includes("--port") ? options : ["--port", "0", ...options];
    const started = spawn(PYTHON, ["-m", "localsessions", "--dir", this.folder, "serve", ...given], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    this.#process = started;
    const lines: string[] = [];
    for await (const line of createInterface({ input: started.stderr })) {
      lines.push(line);
      if (line.startsWith("serving")) break;
    }
    if (!lines.some((line) => line.startsWith("serving"))) throw new Error(lines.join("\n"));
    started.stderr.resume();
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Let the process end, by Ctrl-C or as it is told. */
  async stop(name: NodeJS.Signals = "SIGINT"): Promise<void> {
    const process = this.#process;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    process.kill(name);
    await once(process, "exit");
  }

  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Run another command on the folder; return what it prints. */
  run(...command: string[]): string {
    const done = spawnSync(PYTHON, ["-m", "localsessions", "--dir", this.folder, ...command], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(done.stderr);
    return done.stdout;
  }
}

/** Run Python; return what it prints. */
export function python(code: string, environment: NodeJS.ProcessEnv = {}): string {
  const done = spawnSync(PYTHON, ["-c", code], { encoding: "utf8", env: { ...process.env, ...environment } });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.trim();
}

/** Wait until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`it never came: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
