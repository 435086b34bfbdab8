/** Chromium behind a panel of the stand-in: it shows the page that the extension made, as a webview would. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";

import { type Browser, chromium, type Page, type Route } from "playwright-core";

import { BUILD, type WebviewPanel } from "./window.js";

const ORIGIN = "https://webview.test";
const THEME = ":root { --vscode-editor-background: rgb(30, 30, 30); --vscode-editor-foreground: rgb(204, 204, 204); }";

/** Where Chromium is; undefined if it is not there. */
export const CHROMIUM = (process.env["PATH"] ?? "")
  .split(delimiter)
  .flatMap((folder) => ["chromium", "chromium-browser"].map((name) => join(folder, name)))
  .find((path) => existsSync(path));

export async function launched(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error("there is no chromium on the PATH: apt-get install chromium");
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"], timeout: 120_000 });
}

export class ShownPage {
  /** What the page asked for that is not its own. */
  readonly outside: string[] = [];

  private constructor(
    readonly page: Page,
    readonly panel: WebviewPanel,
  ) {}

  static async of(panel: WebviewPanel, browser: Browser): Promise<ShownPage> {
    const page = await browser.newPage({ viewport: { width: 800, height: 600 } });
    const shown = new ShownPage(page, panel);
    await page.route("**/*", (route) => shown.#answer(route));
    await page.exposeFunction("toExtension", (said: unknown) => panel.webview.received.fire(said));
    await page.addInitScript(actAsWebview, THEME);
    panel.webview.onSaid = (said) => void page.evaluate((one) => window.postMessage(one, "*"), said).catch(() => undefined);
    await page.goto(`${ORIGIN}/`);
    return shown;
  }

  /** What the policy of the page stopped, and what ran that is not ours. */
  violations(): Promise<string[]> {
    return this.page.evaluate(() => (window as unknown as Watched).violations);
  }

  texts(selector: string): Promise<string[]> {
    return this.page.locator(selector).allInnerTexts();
  }

  close(): Promise<void> {
    return this.page.close();
  }

  async #answer(route: Route): Promise<void> {
    const url = new URL(route.request().url());
    if (url.href === `${ORIGIN}/`) return route.fulfill({ contentType: "text/html", body: this.panel.webview.html });
    const path = resolve(decodeURIComponent(url.pathname));
    const isOurs = url.origin === ORIGIN && path.startsWith(BUILD) && existsSync(path);
    if (!isOurs) {
      this.outside.push(url.href);
      return route.abort();
    }
    const contentType = path.endsWith(".css") ? "text/css" : "text/javascript";
    return route.fulfill({ contentType, body: await readFile(path) });
  }
}

interface Watched {
  violations: string[];
  hit?: unknown;
  toExtension(said: unknown): void;
}

/** Runs in the page before anything else: gives it VS Code's function and theme, and watches it. */
function actAsWebview(theme: string): void {
  const watched = window as unknown as Watched & { acquireVsCodeApi: unknown };
  watched.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => watched.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(theme);
  document.adoptedStyleSheets = [sheet];
  const stored = { state: undefined as unknown };
  Object.assign(watched, { stored });
  watched.acquireVsCodeApi = () => ({
    postMessage: (said: unknown) => watched.toExtension(said),
    setState: (state: unknown) => (stored.state = state),
  });
}
