/** The extension: what is made when VS Code needs it, and is closed with it. */

import { type ExtensionContext, workspace } from "vscode";

import { Commands } from "./commands.js";
import { Service } from "./service.js";
import { SessionTree } from "./tree.js";
import { SessionViews } from "./view.js";

/** Called by VS Code when the tree, a page or a command is wanted for the first time. */
export function activate(context: ExtensionContext): void {
  const service = new Service();
  const tree = new SessionTree(service);
  const views = new SessionViews(service, context.extensionUri);
  const onSetting = workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration("localsessions.folder")) service.follow();
  });
  context.subscriptions.push(service, tree, views, new Commands(service, tree, views), onSetting);
  service.follow();
}
