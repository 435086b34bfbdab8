/** A window of an editor in which the packaged extension runs, over the stand-in. */

import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";

import type { ExtensionContext, TreeItem } from "vscode";

import type { Group, Node } from "../src/tree.js";

// The built files, as they are packaged: build/extension.js finds build/node_modules/vscode, the stand-in.
export const BUILD = resolve(__dirname, "..");
export const ROOT = resolve(BUILD, "..");
const built = createRequire(join(BUILD, "extension.js"));
export const { shown, workspace, Uri, WebviewPanel } = built("vscode") as typeof import("./stand-in.js");
export type WebviewPanel = InstanceType<typeof WebviewPanel>;
const extension = built("./extension.js") as typeof import("../src/extension.js");

export class EditorWindow {
  readonly #context = { subscriptions: [] as { dispose(): unknown }[], extensionUri: Uri.file(ROOT) };

  /** Open a window on workspace folders; the sessions are in `folder`. */
  constructor(folder: string, workspaceFolders: string[] = []) {
    shown.settings = { "localsessions.folder": folder, "localsessions.program": program() };
    workspace.workspaceFolders = workspaceFolders.map((one) => ({ uri: Uri.file(one), name: basename(one) }));
    workspace.isTrusted = true;
    extension.activate(this.#context as unknown as ExtensionContext);
  }

  /** Close it, as VS Code does. */
  close(): void {
    for (const one of this.#context.subscriptions.reverse()) one.dispose();
    [shown.choice, shown.typed] = [undefined, undefined];
    shown.contexts.clear();
    for (const list of [shown.notices, shown.terminals, shown.inputs]) list.length = 0;
  }

  get state(): unknown {
    return shown.contexts.get("localsessions.state");
  }

  async command(name: string, ...given: unknown[]): Promise<void> {
    const act = shown.commands.get(`localsessions.${name}`);
    if (act === undefined) throw new Error(`there is no command ${name}`);
    await act(...given);
  }

  async children(parent?: Node): Promise<Node[]> {
    return ((await shown.tree?.treeDataProvider.getChildren(parent)) ?? []) as Node[];
  }

  async groups(): Promise<Group[]> {
    return (await this.children()).filter((one): one is Group => one.kind === "group");
  }

  item(node: Node): TreeItem {
    return shown.tree?.treeDataProvider.getTreeItem(node) as TreeItem;
  }

  /** Return the rows of a group, by its label, as they are shown. */
  async items(label: string): Promise<TreeItem[]> {
    return (await this.rows(label)).map((row) => this.item(row));
  }

  async rows(label: string): Promise<Node[]> {
    const group = (await this.groups()).find((one) => one.label === label);
    return group === undefined ? [] : this.children(group);
  }

  async row(sessionId: string, label = "All Projects"): Promise<Node> {
    const found = (await this.rows(label)).find((one) => one.kind === "row" && one.line.session_id === sessionId);
    if (found === undefined) throw new Error(`${sessionId} is not in ${label}`);
    return found;
  }
}

/** The program of the Python that runs the tests. */
function program(): string {
  const python = process.env["LOCALSESSIONS_PYTHON"] ?? "python3";
  return process.platform === "win32" ? join(python, "..", "localsessions.exe") : join(python, "..", "localsessions");
}
