/** What a person does to sessions. Every act can be undone, the last one first. */

import { signal } from "@preact/signals";

import { go, place } from "../place";
import * as service from "../service";
import type { Patch, SessionDetail, Versioned } from "../service";
import { changed, type Clash, opposite, removed } from "./change";

interface Done {
  said: string;
  undo: () => Promise<unknown>;
}

const MOST = 50;
const SHOWN = 10_000; // milliseconds

const history: Done[] = [];

/** What is told at the foot of the page, and whether it can be undone. */
export const notice = signal<{ text: string; undo: boolean; bad?: boolean } | undefined>();

/** A conflict that waits for the person. */
export const conflict = signal<{ sessionId: string; clashes: Clash[]; decide: (mine: boolean) => void } | undefined>();

let fading: ReturnType<typeof setTimeout> | undefined;

export function tell(text: string, undo = false, bad = false): void {
  clearTimeout(fading);
  notice.value = { text, undo, bad };
  fading = setTimeout(() => (notice.value = undefined), SHOWN);
}

/** Undo the last act. */
export async function undo(): Promise<void> {
  const last = history.pop();
  if (last === undefined) return tell("There is nothing to undo");
  await tried(async () => {
    await last.undo();
    tell(`Undone: ${last.said}`);
  });
}

export const rename = (seen: Versioned<SessionDetail>, title: string) =>
  patch(seen, { title: title.trim() || null } as Patch, "Renamed");

export const tag = (seen: Versioned<SessionDetail>, name: string) =>
  patch(seen, { tags: [...new Set([...seen.value.tags, name])] }, `Tagged ${name}`);

export const untag = (seen: Versioned<SessionDetail>, name: string) =>
  patch(seen, { tags: seen.value.tags.filter((one) => one !== name) }, `Removed the tag ${name}`);

export const pin = (seen: Versioned<SessionDetail>) =>
  patch(seen, { pinned: !seen.value.pinned }, seen.value.pinned ? "Unpinned" : "Pinned");

export function archive(seen: Versioned<SessionDetail>): Promise<void> {
  const isArchived = seen.value.status === "archived";
  return patch(seen, { archived: !isArchived }, isArchived ? "Back from the archive" : "Archived");
}

export function trash(seen: Versioned<SessionDetail>): Promise<void> {
  const sessionId = seen.value.session_id;
  return tried(async () => {
    if (!(await removed(seen, ask))) return;
    if (place.peek().session === sessionId) go({ session: undefined, at: undefined });
    did("Moved to the trash", () => service.restored(sessionId));
  });
}

export function restore(sessionId: string): Promise<void> {
  return tried(async () => {
    await service.restored(sessionId);
    did("Restored", async () => removed(await service.client.session(sessionId), ask));
  });
}

export function fork(sessionId: string, at: string | number | null): Promise<void> {
  return tried(async () => {
    const made = (await service.forked(sessionId, at)) as SessionDetail;
    go({ session: made.session_id, at: undefined });
    did("Forked; this is the copy", async () => {
      await removed(await service.client.session(made.session_id), ask);
      if (place.peek().session === made.session_id) go({ session: sessionId });
    });
  });
}

/** Tell of sessions that were made; to undo that moves them to the trash. */
export function made(said: string, sessionIds: readonly string[]): void {
  did(said, async () => {
    for (const sessionId of sessionIds) await service.client.remove(sessionId, "*");
  });
}

function patch(seen: Versioned<SessionDetail>, wanted: Patch, said: string): Promise<void> {
  return tried(async () => {
    const made = await changed(seen, wanted, ask);
    if (made === undefined) return tell("Left as it is stored");
    const back = opposite(seen.value, wanted);
    did(said, async () => changed(made, back, ask));
  });
}

function did(said: string, undoing: () => Promise<unknown>): void {
  history.push({ said, undo: undoing });
  if (history.length > MOST) history.shift();
  tell(said, true);
}

function ask(sessionId: string, clashes: Clash[]): Promise<boolean> {
  return new Promise((resolve) => {
    conflict.value = {
      sessionId,
      clashes,
      decide: (mine) => {
        conflict.value = undefined;
        resolve(mine);
      },
    };
  });
}

async function tried(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (reason) {
    tell(service.toldOf(reason), false, true);
  }
}
