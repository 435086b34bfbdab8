/** What a person can do with a session and with the service. */

import { ProblemError, type SessionsClient } from "localsessions-client";
import { NoServiceError } from "localsessions-client/discover";
import { commands, type Disposable, window, workspace } from "vscode";

import { notice, oneLine } from "./plain.js";
import { commandLine, type Service, SURROUNDINGS } from "./service.js";
import { isResumable, type More, type Row, type SessionTree, titleOf } from "./tree.js";
import type { SessionViews } from "./view.js";

type PatchBody = Parameters<SessionsClient["change"]>[2];
type Act = (row: Row) => Promise<void>;

/** Instead of a version: whichever is there. */
const ANY = "*";
const TRIES = 20;

export class Commands implements Disposable {
  readonly #parts: Disposable[];

  constructor(
    readonly service: Service,
    readonly tree: SessionTree,
    readonly views: SessionViews,
  ) {
    this.#parts = [
      this.#command("start", () => this.#start()),
      this.#command("settings", () => commands.executeCommand("workbench.action.openSettings", "localsessions.")),
      this.#command("refresh", async () => this.tree.refresh()),
      this.#command("more", async (more: More) => this.tree.showMore(more.group)),
      this.#onRow("open", async ({ line }) => this.views.open(line.session_id, titleOf(line))),
      this.#onRow("rename", (row) => this.#rename(row)),
      this.#onRow("pin", (row) => this.#change(row, { pinned: true })),
      this.#onRow("unpin", (row) => this.#change(row, { pinned: false })),
      this.#onRow("archive", (row) => this.#archive(row)),
      this.#onRow("unarchive", (row) => this.#change(row, { archived: false })),
      this.#onRow("fork", (row) => this.#fork(row)),
      this.#onRow("delete", (row) => this.#delete(row)),
      this.#onRow("resume", async (row) => this.#resume(row)),
    ];
  }

  dispose(): void {
    for (const part of this.#parts) part.dispose();
  }

  get #client(): SessionsClient {
    return this.service.client;
  }

  #onRow(name: string, act: Act): Disposable {
    return this.#command(name, async (given?: Row) => {
      const row = given ?? this.tree.selected; // a key names none
      if (row !== undefined) await act(row);
    });
  }

  #command<Given extends unknown[]>(name: string, act: (...given: Given) => PromiseLike<unknown>): Disposable {
    return commands.registerCommand(`localsessions.${name}`, async (...given: Given) => {
      try {
        await act(...given);
      } catch (reason) {
        void this.#tellProblem(reason);
      }
    });
  }

  async #start(): Promise<void> {
    await window.withProgress({ location: { viewId: "localsessions.sessions" } }, () => this.service.start());
  }

  async #rename(row: Row): Promise<void> {
    const { session_id, title } = row.line;
    const prompt = "Empty: a message of it stands in its place.";
    const typed = await window.showInputBox({ title: "Rename the session", value: oneLine(title), prompt });
    if (typed === undefined) return;
    await this.#replaceTitle(session_id, title, typed.trim() === "" ? null : typed);
    this.tree.refresh();
  }

  /** Give a title in place of the one that the person saw; again if a program writes messages just then. */
  async #replaceTitle(sessionId: string, seen: string, title: string | null): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const { value, etag } = await this.#client.session(sessionId);
      if (value.title !== seen) {
        const what = `another program named it "${value.title}" meanwhile; nothing was renamed`;
        throw new Error(`${what}. Rename again to replace that.`);
      }
      try {
        await this.#client.change(sessionId, etag, { title });
        return;
      } catch (reason) {
        if (!(reason instanceof ProblemError && reason.status === 412 && tries < TRIES)) throw reason;
      }
    }
  }

  /** Change what the person means whatever was written to the session since: a pin replaces nothing. */
  async #change({ line }: Row, body: PatchBody): Promise<void> {
    await this.#client.change(line.session_id, ANY, body);
    this.tree.refresh();
  }

  async #archive(row: Row): Promise<void> {
    await this.#change(row, { archived: true });
    void this.#offerUndo(`Archived "${titleOf(row.line)}".`, () => this.#change(row, { archived: false }));
  }

  async #fork({ line }: Row): Promise<void> {
    const path = { session_id: line.session_id };
    const fork = await this.#client.ask((api) =>
      api.POST("/api/v1/sessions/{session_id}/fork", { params: { path }, body: {} }),
    );
    this.tree.refresh();
    this.views.open(fork.session_id, titleOf(fork));
  }

  async #delete({ line }: Row): Promise<void> {
    const path = { session_id: line.session_id };
    await this.#client.remove(line.session_id, ANY);
    this.tree.refresh();
    void this.#offerUndo(`Deleted "${titleOf(line)}".`, async () => {
      await this.#client.ask((api) => api.POST("/api/v1/sessions/{session_id}/restore", { params: { path } }));
      this.tree.refresh();
    });
  }

  /** Start the session's program. Which that is and where, the command line decides; the terminal has no shell. */
  #resume({ line }: Row): void {
    if (!workspace.isTrusted) throw new Error("Trust the workspace to resume a session: that starts a program.");
    if (!isResumable(line)) throw new Error("No program goes on with this session: it was not imported from one.");
    const { program, arguments: given } = commandLine("resume", "--", line.session_id);
    window.createTerminal({ name: titleOf(line), shellPath: program, shellArgs: given, ...SURROUNDINGS }).show();
  }

  async #offerUndo(text: string, undo: () => Promise<void>): Promise<void> {
    if ((await window.showInformationMessage(notice(text), "Undo")) !== "Undo") return;
    await undo().catch((reason: unknown) => this.#tellProblem(reason));
  }

  async #tellProblem(reason: unknown): Promise<void> {
    const words = notice(reason instanceof Error ? reason.message : String(reason));
    const remedy = reason instanceof NoServiceError ? ["Start the Service"] : [];
    const chosen = await window.showErrorMessage(words, ...remedy);
    if (chosen !== undefined) await commands.executeCommand("localsessions.start");
  }
}
