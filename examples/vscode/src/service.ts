/** The service of the folder of sessions: whether it answers, what it tells, and how it is started. */

import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

import type { SessionsClient, Told } from "localsessions-client";
import { connect, discover, NoServiceError } from "localsessions-client/discover";
import { commands, type Disposable, EventEmitter, workspace } from "vscode";

/** Whether a service answers; nobody knows at first. */
export type State = "looking" | "there" | "none";

const START_MILLISECONDS = 30_000;

export class Service implements Disposable {
  readonly #told = new EventEmitter<Told>();
  /** What happens to the sessions. After `ready` and `reset`, everything may be different. */
  readonly onTold = this.#told.event;
  readonly #changed = new EventEmitter<State>();
  readonly onState = this.#changed.event;

  #state: State = "looking";
  #client = connect(where());
  #following = new AbortController();
  #process: ChildProcess | undefined;

  get state(): State {
    return this.#state;
  }

  get client(): SessionsClient {
    return this.#client;
  }

  /** Follow the service that the settings mean now; it is waited for, and found again when it was started anew. */
  follow(): void {
    this.#following.abort();
    this.#following = new AbortController();
    this.#client = connect(where());
    this.#set("looking");
    void this.#follow(this.#client, this.#following.signal);
  }

  /**
   * Start `localsessions serve`, unless a service answers; return when it does. It ends with this window.
   *
   * Throws with the remedy if it cannot be started.
   */
  async start(): Promise<void> {
    if (!(await this.#answers())) {
      this.#stop();
      this.#process = await started();
    }
    this.follow();
  }

  dispose(): void {
    this.#following.abort();
    this.#stop();
    this.#told.dispose();
    this.#changed.dispose();
  }

  async #follow(client: SessionsClient, signal: AbortSignal): Promise<void> {
    const backoff = { first: 250, longest: 3_000 };
    const set = (state: State) => signal.aborted || this.#set(state); // else another one is followed by now
    const onConnect = () => set("there");
    const onBreak = (reason: unknown) => reason instanceof NoServiceError && set("none");
    try {
      for await (const told of client.follow({ signal, backoff, onConnect, onBreak })) this.#told.fire(told);
    } catch (reason) {
      console.error("localsessions: the changes cannot be followed", reason);
      set("none");
    }
  }

  #set(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    void commands.executeCommand("setContext", "localsessions.state", state);
    this.#changed.fire(state);
  }

  async #answers(): Promise<boolean> {
    return discover(where()).then(
      () => true,
      () => false,
    );
  }

  #stop(): void {
    this.#process?.kill();
    this.#process = undefined;
  }
}

/** Return the settings. Both are of the machine: a workspace cannot name a program to start. */
function setting(name: "folder" | "program"): string {
  return workspace.getConfiguration("localsessions").get<string>(name, "").trim();
}

function where(): { folder?: string } {
  const folder = setting("folder");
  return folder === "" ? {} : { folder };
}

/** Return a program and its arguments, for a start without a shell. */
export function commandLine(...more: string[]): { program: string; arguments: string[] } {
  const folder = setting("folder");
  const chosen = folder === "" ? [] : ["--dir", folder];
  return { program: setting("program") || "localsessions", arguments: [...chosen, ...more] };
}

/** Windows would look for a program in the current folder first: so that is never the workspace, nor asked. */
export const SURROUNDINGS = { cwd: homedir(), env: { NoDefaultCurrentDirectoryInExePath: "1" } };

async function started(): Promise<ChildProcess> {
  const { program, arguments: given } = commandLine("serve", "--port", "0");
  const child = spawn(program, given, {
    cwd: SURROUNDINGS.cwd,
    env: { ...process.env, ...SURROUNDINGS.env },
    stdio: ["ignore", "ignore", "pipe"],
    windowsHide: true,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4_000)));
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (error) => reject(new Error(remedyFor(error, program))));
    child.once("close", (code) => reject(new Error(`'${program} serve' ended with ${code}: ${lastLine(said)}`)));
  });
  failed.catch(() => undefined); // it ends some day, when nobody waits for it
  try {
    await Promise.race([failed, answer()]);
  } catch (reason) {
    child.kill();
    throw reason;
  }
  return child;
}

async function answer(): Promise<void> {
  const end = Date.now() + START_MILLISECONDS;
  for (;;) {
    try {
      await discover(where());
      return;
    } catch (reason) {
      if (Date.now() > end) throw reason;
    }
    await pause(100);
  }
}

function remedyFor(error: NodeJS.ErrnoException, program: string): string {
  if (error.code !== "ENOENT") return `'${program}' cannot be started: ${error.message}`;
  return (
    `There is no program '${program}'. Install it by: pip install 'localsessions[cli,server]'. ` +
    "Or name it in the setting localsessions.program."
  );
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
