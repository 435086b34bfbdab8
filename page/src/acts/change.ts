/** Changing what a session is called and how it is marked, if nobody else changed just that. */

import { ProblemError, type Patch, type SessionDetail, type Versioned } from "../service";
import * as service from "../service";

export type Fields = Pick<SessionDetail, "title" | "tags" | "pinned" | "status">;

/** A field that was changed on both sides. */
export interface Clash {
  field: keyof Patch;
  seen: unknown;
  stored: unknown;
  wanted: unknown;
}

/** Asks the person which side stays: true is theirs here. */
export type Decide = (sessionId: string, clashes: Clash[]) => Promise<boolean>;

const TRIES = 5;

/** Return a field as a patch has it. */
export function fieldOf(session: Fields, field: keyof Patch): unknown {
  if (field === "archived") return session.status === "archived";
  return session[field as "title" | "tags" | "pinned"];
}

/** Return the patch that brings back what a session has now. */
export function opposite(session: Fields, patch: Patch): Patch {
  const fields = Object.keys(patch) as (keyof Patch)[];
  return Object.fromEntries(fields.map((field) => [field, fieldOf(session, field)]));
}

/** Return the fields of a patch that somebody else changed meanwhile to something else. */
export function clashesOf(seen: Fields, stored: Fields, patch: Patch): Clash[] {
  const fields = Object.keys(patch) as (keyof Patch)[];
  return fields
    .map((field) => ({ field, seen: fieldOf(seen, field), stored: fieldOf(stored, field), wanted: patch[field] }))
    .filter(({ seen: was, stored: now, wanted }) => !isSame(was, now) && !isSame(now, wanted));
}

/**
 * Change a session that was seen in a version.
 *
 * A session that only grew meanwhile is no conflict. Returns undefined if the person lets stand
 * what is stored.
 */
export async function changed(
  seen: Versioned<SessionDetail>,
  patch: Patch,
  decide: Decide,
): Promise<Versioned<SessionDetail> | undefined> {
  const sessionId = seen.value.session_id;
  let base = seen;
  for (let tries = 1; ; tries += 1) {
    try {
      return await service.client.change(sessionId, base.etag, patch as never);
    } catch (reason) {
      if (!isStale(reason) || tries === TRIES) throw reason;
      const stored = await service.client.session(sessionId);
      const clashes = clashesOf(base.value, stored.value, patch);
      if (clashes.length > 0 && !(await decide(sessionId, clashes))) return undefined;
      base = stored;
    }
  }
}

/** Move a session to the trash; a person who has not seen all of it is asked. */
export async function removed(seen: Versioned<SessionDetail>, decide: Decide): Promise<boolean> {
  const sessionId = seen.value.session_id;
  let base = seen;
  for (let tries = 1; ; tries += 1) {
    try {
      await service.client.remove(sessionId, base.etag);
      return true;
    } catch (reason) {
      if (!isStale(reason) || tries === TRIES) throw reason;
      const stored = await service.client.session(sessionId);
      const clash = { field: "messages", seen: base.value.message_count, stored: stored.value.message_count, wanted: "to the trash" };
      if (!(await decide(sessionId, [clash as never]))) return false;
      base = stored;
    }
  }
}

function isStale(reason: unknown): boolean {
  return reason instanceof ProblemError && reason.status === 412;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
