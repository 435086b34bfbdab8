/** Finding the service of a folder; for Node, since browsers read no files. */

import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

import { type Address, checkedAddress, headersOf } from "./address.js";
import { SessionsClient } from "./client.js";

export interface DiscoverOptions {
  /** The folder of sessions; else `LOCALSESSIONS_DIR`, else the one in the user's data folder. */
  folder?: string;
  /** Milliseconds that a service may take to answer. */
  timeout?: number;
}

/** No service of the folder answers. */
export class NoServiceError extends Error {
  constructor(readonly folder: string) {
    super(`no service answers for ${folder}: start it with 'localsessions --dir ${folder} serve'`);
    this.name = "NoServiceError";
  }
}

interface Advert extends Address {
  pid: number;
  started_at: string;
}

/** Return the folder that `localsessions` uses if none is named. */
export function defaultFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment["LOCALSESSIONS_DIR"]) return resolve(environment["LOCALSESSIONS_DIR"]);
  if (process.platform === "win32") {
    return join(environment["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"), "localsessions");
  }
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "localsessions");
  return join(environment["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "localsessions");
}

/**
 * Return address and token of the service of a folder.
 *
 * The file of a service that was killed is ignored: the service that answers must say the same `pid` and `started_at`.
 */
export async function discover(options: DiscoverOptions = {}): Promise<Address> {
  const folder = resolve(options.folder ?? defaultFolder());
  for (const advert of await adverts(join(folder, ".localsessions"))) {
    if (await isAlive(advert, options.timeout ?? 3_000)) return { url: advert.url, token: advert.token };
  }
  throw new NoServiceError(folder);
}

/** Return a client of the service of a folder, which finds the service again when it is started anew. */
export function connect(options: DiscoverOptions = {}): SessionsClient {
  return new SessionsClient(() => discover(options));
}

async function adverts(folder: string): Promise<Advert[]> {
  const names = await readdir(folder).catch(() => []);
  const found: Advert[] = [];
  // The first service of a folder has the short name.
  for (const name of names.filter((one) => /^server(-\d+)?\.json$/.test(one)).sort((a, b) => a.length - b.length)) {
    const advert = await read(join(folder, name));
    if (advert !== undefined) found.push(advert);
  }
  return found;
}

async function read(path: string): Promise<Advert | undefined> {
  try {
    const { url, token, pid, started_at } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    if (typeof url !== "string" || typeof token !== "string") return undefined;
    if (typeof pid !== "number" || typeof started_at !== "string") return undefined;
    return { ...checkedAddress({ url, token }), pid, started_at };
  } catch {
    return undefined; // it went, or is being replaced, or is no such file
  }
}

async function isAlive(advert: Advert, timeout: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(timeout);
    const response = await fetch(`${advert.url}/api/v1/health`, { headers: headersOf(advert), signal });
    const said = (await response.json()) as Partial<Advert>;
    return response.ok && said.pid === advert.pid && said.started_at === advert.started_at;
  } catch {
    return false;
  }
}
