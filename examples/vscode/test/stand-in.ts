/**
 * Stands in for the module `vscode`: it does nothing but keep what it is told, in `shown`.
 *
 * It is what the extension uses of VS Code's stable API, and no more. That the real one does the same was not tried.
 */

import type * as vscode from "vscode";

type Listener<T> = (event: T) => unknown;

export class EventEmitter<T> {
  readonly listeners = new Set<Listener<T>>();
  readonly event = (listener: Listener<T>): vscode.Disposable => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };
  fire(event: T): void {
    for (const listener of [...this.listeners]) listener(event);
  }
  dispose(): void {
    this.listeners.clear();
  }
}

export class ThemeIcon {
  constructor(readonly id: string) {}
}

export enum TreeItemCollapsibleState {
  None,
  Collapsed,
  Expanded,
}

export class TreeItem {
  constructor(
    readonly label: string,
    readonly collapsibleState: TreeItemCollapsibleState,
  ) {}
}

export enum ViewColumn {
  Active = -1,
}

export class Uri {
  constructor(
    readonly scheme: string,
    readonly fsPath: string,
  ) {}
  static file(path: string): Uri {
    return new Uri("file", path);
  }
  static joinPath(base: Uri, ...names: string[]): Uri {
    return new Uri(base.scheme, [base.fsPath, ...names].join("/"));
  }
  toString(): string {
    return `${this.scheme}://${this.fsPath}`;
  }
}

/** A place where pages are shown; a browser may be put behind it. */
export class Webview {
  readonly said: unknown[] = [];
  readonly received = new EventEmitter<unknown>();
  readonly onDidReceiveMessage = this.received.event;
  readonly cspSource = "https://webview.test";
  options: vscode.WebviewOptions = {};
  html = "";
  onSaid: (said: unknown) => void = () => undefined;

  asWebviewUri(uri: Uri): Uri {
    return new Uri("https", `webview.test${uri.fsPath}`);
  }
  postMessage(said: unknown): Promise<boolean> {
    this.said.push(said);
    this.onSaid(said);
    return Promise.resolve(true);
  }
}

export class WebviewPanel {
  readonly webview = new Webview();
  readonly #disposed = new EventEmitter<void>();
  readonly onDidDispose = this.#disposed.event;
  reveals = 0;
  constructor(
    readonly viewType: string,
    public title: string,
    readonly options: vscode.WebviewPanelOptions,
  ) {}
  reveal(): void {
    this.reveals += 1;
  }
  dispose(): void {
    this.#disposed.fire();
    shown.panels = shown.panels.filter((one) => one !== this);
  }
}

class TreeView {
  readonly visible = true;
  readonly visibility = new EventEmitter<unknown>();
  readonly onDidChangeVisibility = this.visibility.event;
  message?: string;
  selection: unknown[] = [];
  constructor(readonly treeDataProvider: vscode.TreeDataProvider<unknown>) {}
  dispose(): void {
    if (shown.tree === this) delete shown.tree;
  }
}

interface Shown {
  tree?: TreeView;
  panels: WebviewPanel[];
  notices: { kind: "information" | "error"; text: string; choices: string[] }[];
  terminals: vscode.TerminalOptions[];
  inputs: vscode.InputBoxOptions[];
  contexts: Map<string, unknown>;
  commands: Map<string, (...given: unknown[]) => unknown>;
  serializers: Map<string, vscode.WebviewPanelSerializer>;
  /** What the person has set, chooses in notices and types. */
  settings: Record<string, string>;
  choice: string | undefined;
  typed: string | undefined;
}

/** What a person would see, and what the person does. */
export const shown: Shown = {
  panels: [],
  notices: [],
  terminals: [],
  inputs: [],
  contexts: new Map(),
  commands: new Map(),
  serializers: new Map(),
  settings: {},
  choice: undefined,
  typed: undefined,
};

function noted(kind: "information" | "error") {
  return async (text: string, ...choices: string[]): Promise<string | undefined> => {
    shown.notices.push({ kind, text, choices });
    return choices.find((one) => one === shown.choice);
  };
}

function kept<Value>(map: Map<string, Value>, key: string, value: Value): vscode.Disposable {
  if (map.has(key)) throw new Error(`${key} is there already`);
  map.set(key, value);
  return { dispose: () => map.delete(key) };
}

export const window = {
  createTreeView: (_id: string, options: { treeDataProvider: vscode.TreeDataProvider<unknown> }) =>
    (shown.tree = new TreeView(options.treeDataProvider)),
  createWebviewPanel: (viewType: string, title: string, _column: ViewColumn, options: vscode.WebviewPanelOptions) => {
    const panel = new WebviewPanel(viewType, title, options);
    shown.panels.push(panel);
    return panel;
  },
  registerWebviewPanelSerializer: (viewType: string, serializer: vscode.WebviewPanelSerializer) =>
    kept(shown.serializers, viewType, serializer),
  createTerminal: (options: vscode.TerminalOptions) => {
    shown.terminals.push(options);
    return { show: () => undefined };
  },
  showInputBox: async (options: vscode.InputBoxOptions) => {
    shown.inputs.push(options);
    return shown.typed;
  },
  showInformationMessage: noted("information"),
  showErrorMessage: noted("error"),
  withProgress: <Result>(_options: unknown, task: () => Promise<Result>) => task(),
};

const configured = new EventEmitter<vscode.ConfigurationChangeEvent>();
const folders = new EventEmitter<unknown>();
export const workspace = {
  isTrusted: true,
  workspaceFolders: undefined as { uri: Uri; name: string }[] | undefined,
  configured,
  folders,
  onDidChangeConfiguration: configured.event,
  onDidChangeWorkspaceFolders: folders.event,
  getConfiguration: (section: string) => ({
    get: (name: string, otherwise: string) => shown.settings[`${section}.${name}`] ?? otherwise,
  }),
};

export const commands = {
  registerCommand: (id: string, act: (...given: unknown[]) => unknown) => kept(shown.commands, id, act),
  executeCommand: async (id: string, ...given: unknown[]) => {
    if (id === "setContext") return void shown.contexts.set(given[0] as string, given[1]);
    return shown.commands.get(id)?.(...given);
  },
};
