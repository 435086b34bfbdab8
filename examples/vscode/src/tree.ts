/** The tree of sessions: those of each workspace folder's project, then all, then the archived ones. */

import type { ListQuery, SessionLine } from "localsessions-client";
import {
  commands,
  type Disposable,
  EventEmitter,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  type TreeDataProvider,
  type TreeView,
  window,
  workspace,
} from "vscode";

import { ageOf, notice, oneLine } from "./plain.js";
import { projectOf } from "./project.js";
import type { Service } from "./service.js";

export interface Group {
  kind: "group";
  id: string;
  label: string;
  icon: string;
  isOpen: boolean;
  query: ListQuery;
}
export interface Row {
  kind: "row";
  group: Group;
  line: SessionLine;
}
export interface More {
  kind: "more";
  group: Group;
  left: number;
}
export type Node = Group | Row | More;

const STEP = 50;
/** What the service lists in one answer. */
const MOST = 1_000;
const PAUSE_MILLISECONDS = 300;

export class SessionTree implements TreeDataProvider<Node>, Disposable {
  readonly #changed = new EventEmitter<void>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #view: TreeView<Node>;
  readonly #parts: Disposable[];
  /** How many rows a group shows, by its id. */
  readonly #shown = new Map<string, number>();
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly service: Service) {
    this.#view = window.createTreeView("localsessions.sessions", { treeDataProvider: this });
    const ages = setInterval(() => this.#view.visible && this.refresh(), 60_000);
    this.#parts = [
      this.#view,
      this.#changed,
      service.onTold(() => this.refresh()),
      service.onState(() => this.refresh()),
      workspace.onDidChangeWorkspaceFolders(() => this.refresh()),
      this.#view.onDidChangeVisibility(() => this.refresh()),
      { dispose: () => clearInterval(ages) },
    ];
  }

  /** The session that a key is meant for. */
  get selected(): Row | undefined {
    return this.#view.selection.find((node) => node.kind === "row");
  }

  /** Ask the service again, soon and once for many changes; VS Code keeps what is open and selected. */
  refresh(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#changed.fire();
    }, PAUSE_MILLISECONDS);
  }

  showMore(group: Group): void {
    this.#shown.set(group.id, this.#count(group) + STEP);
    this.refresh();
  }

  dispose(): void {
    clearTimeout(this.#soon);
    for (const part of this.#parts) part.dispose();
  }

  async getChildren(parent?: Node): Promise<Node[]> {
    if (this.service.state !== "there") return [];
    try {
      const children = await (parent === undefined ? this.#groups() : this.#rows(parent));
      delete this.#view.message;
      return children;
    } catch (reason) {
      const words = reason instanceof Error ? reason.message : String(reason);
      this.#view.message = notice(`The sessions cannot be listed: ${words}`);
      return [];
    }
  }

  getTreeItem(node: Node): TreeItem {
    if (node.kind === "group") return groupItem(node);
    return node.kind === "row" ? rowItem(node, Date.now()) : moreItem(node);
  }

  async #groups(): Promise<Group[]> {
    const { count } = await this.service.client.ask((api) => api.GET("/api/v1/count"));
    void commands.executeCommand("setContext", "localsessions.state", count > 0 ? "there" : "empty");
    if (count === 0) return [];
    const projects = await this.#projects();
    return [
      ...projects,
      group("all", "All Projects", "files", projects.length === 0, { archived: false }),
      group("archived", "Archive", "archive", false, { archived: true }),
    ];
  }

  async #projects(): Promise<Group[]> {
    const folders = (workspace.workspaceFolders ?? []).filter((one) => one.uri.scheme === "file");
    return Promise.all(
      folders.map(async (folder) => {
        const project = await projectOf(this.service.client, folder.uri.fsPath);
        return group(`project:${folder.uri.toString()}`, folder.name, "folder", true, { project, archived: false });
      }),
    );
  }

  async #rows(parent: Node): Promise<Node[]> {
    if (parent.kind !== "group") return [];
    const wanted = this.#count(parent);
    const { lines, total } = await this.#lines(parent.query, wanted);
    const rows: Node[] = lines.map((line) => ({ kind: "row", group: parent, line }));
    if (total > lines.length) rows.push({ kind: "more", group: parent, left: total - lines.length });
    return rows;
  }

  async #lines(query: ListQuery, wanted: number): Promise<{ lines: SessionLine[]; total: number }> {
    const lines: SessionLine[] = [];
    for (let cursor: string | undefined; ; ) {
      const limit = Math.min(wanted - lines.length, MOST);
      const page = await this.service.client.page({ ...query, limit, ...(cursor === undefined ? {} : { cursor }) });
      lines.push(...page.sessions);
      cursor = page.next_cursor ?? undefined;
      if (cursor === undefined || lines.length >= wanted) return { lines, total: page.total };
    }
  }

  #count(parent: Group): number {
    return this.#shown.get(parent.id) ?? STEP;
  }
}

function group(id: string, label: string, icon: string, isOpen: boolean, query: ListQuery): Group {
  return { kind: "group", id, label: oneLine(label), icon, isOpen, query };
}

function groupItem(node: Group): TreeItem {
  const state = node.isOpen ? TreeItemCollapsibleState.Expanded : TreeItemCollapsibleState.Collapsed;
  const item = new TreeItem(node.label, state);
  item.id = node.id;
  item.iconPath = new ThemeIcon(node.icon);
  item.contextValue = "group";
  return item;
}

function moreItem(node: More): TreeItem {
  const item = new TreeItem("Show more…", TreeItemCollapsibleState.None);
  item.id = `${node.group.id}:more`;
  item.description = `${node.left} more`;
  item.command = { command: "localsessions.more", title: "Show More", arguments: [node] };
  return item;
}

function rowItem({ group: parent, line }: Row, now: number): TreeItem {
  const title = titleOf(line);
  const facts = factsOf(line, now);
  const item = new TreeItem(title, TreeItemCollapsibleState.None);
  item.id = `${parent.id}:${line.session_id}`;
  item.description = facts.join(" · ");
  item.iconPath = new ThemeIcon(iconOf(line));
  item.contextValue = contextOf(line);
  item.tooltip = tooltipOf(line, title);
  item.accessibilityInformation = { label: [title, ...facts].join(", ") };
  item.command = { command: "localsessions.open", title: "Open", arguments: [{ kind: "row", group: parent, line }] };
  return item;
}

/** Return what a person calls a session. */
export function titleOf(line: SessionLine): string {
  return oneLine(line.title) || oneLine(line.preview) || oneLine(line.session_id);
}

function factsOf(line: SessionLine, now: number): string[] {
  if (line.unreadable !== null) return [oneLine(`unreadable: ${line.unreadable}`)];
  const age = line.undated ? "undated" : ageOf(line.last_activity, now);
  return [line.pinned ? "pinned" : "", age, oneLine(line.program ?? "")].filter((fact) => fact !== "");
}

function iconOf(line: SessionLine): string {
  if (line.unreadable !== null) return "warning";
  return line.pinned ? "pinned" : line.parent === null ? "comment-discussion" : "git-branch";
}

/** Return the words by which package.json chooses what a row offers. */
function contextOf(line: SessionLine): string {
  if (line.unreadable !== null) return "session";
  const words = ["session", "readable", line.pinned ? "pinned" : "loose"];
  words.push(line.status === "archived" ? "archived" : "kept");
  if (isResumable(line)) words.push("resumable");
  return words.join(" ");
}

/** Tell whether a program may go on with a session: it came from one, and is no sub-agent's. */
export function isResumable(line: SessionLine): boolean {
  return line.program !== null && line.parent === null && line.unreadable === null;
}

/** A text, no MarkdownString: Markdown has links. */
function tooltipOf(line: SessionLine, title: string): string {
  const place = line.fault?.line ? `line ${line.fault.line}` : "";
  const facts = [
    title,
    oneLine(line.unreadable ?? ""),
    place,
    oneLine(line.project ?? ""),
    oneLine(line.branch ?? ""),
    line.unreadable === null ? `${line.message_count} messages` : "",
    line.undated ? "" : new Date(line.last_activity).toLocaleString(),
    oneLine(line.session_id),
  ];
  return facts.filter((fact) => fact !== "").join("\n");
}
