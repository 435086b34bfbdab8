/** Which project a workspace folder is. */

import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { SessionsClient } from "localsessions-client";

/**
 * Return the nearest folder that sessions are of: this one, or one above it in the same repository.
 *
 * If sessions are of none of them, that is this folder.
 */
export async function projectOf(client: SessionsClient, folder: string): Promise<string> {
  for (const above of await within(spelled(folder))) {
    const query = { project: above };
    const { count } = await client.ask((api) => api.GET("/api/v1/count", { params: { query } }));
    if (count > 0) return above;
  }
  return spelled(folder);
}

/** Return a folder and those above it, up to the root of its repository; without one, itself. */
async function within(folder: string): Promise<string[]> {
  const above = [folder];
  for (;;) {
    const last = above.at(-1) as string;
    if (await isThere(join(last, ".git"))) return above;
    if (dirname(last) === last) return [folder];
    above.push(dirname(last));
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** VS Code writes the drive of Windows small; programs that chat write it large. */
function spelled(folder: string): string {
  return folder.replace(/^[a-z]:/, (drive) => drive.toUpperCase());
}
