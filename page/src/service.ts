/** The service that this page came from, by the TypeScript client. */

import { type components, type ListQuery, ProblemError, SessionsClient, type Versioned } from "localsessions-client";

import { oneLine } from "./text/safe";

export type { Change, Hit, Message, MessageRange, SessionDetail, SessionLine, Versioned } from "localsessions-client";
export { ProblemError } from "localsessions-client";

type Schemas = components["schemas"];
export type Outline = Schemas["Outline"];
export type Group = Schemas["Group"];
export type Span = Schemas["Span"];
export type Fault = Schemas["Fault"];
export type Patch = Partial<Schemas["PatchBody"]>;
export type Trashed = Schemas["Trashed"];
export type Secret = Schemas["Secret"];
export type ImportState = Schemas["ImportState"];
export type FoundPlace = Schemas["FoundPlace"];

/** Texts beyond this are fetched when a person wants them. */
export const LONGEST = 20_000;

let token = "";
export let client: SessionsClient;

/** Begin to ask, with a token. */
export function connect(given: string): void {
  token = given;
  client = new SessionsClient({ url: location.origin, token: given });
}

/** Return the words of whatever went wrong; an id or a path in them may be anybody's. */
export function toldOf(reason: unknown): string {
  if (reason instanceof ProblemError) return oneLine(reason.message);
  if (reason instanceof TypeError) return "The service does not answer. Is localsessions serve still running?";
  return oneLine(reason instanceof Error ? reason.message : String(reason));
}

const one = (sessionId: string) => ({ path: { session_id: sessionId } });

export const listed = (query: ListQuery, signal: AbortSignal) =>
  client.ask((api) => api.GET("/api/v1/sessions", { params: { query }, signal }));

export const searched = async (q: string, query: object, signal: AbortSignal) =>
  (await client.ask((api) => api.GET("/api/v1/search", { params: { query: { ...query, q } }, signal }))).hits;

/** Return the groups of the sessions that fit, the largest first. */
export const groups = async (by: "program" | "project" | "tag" | "day", query: object = {}, signal?: AbortSignal) =>
  (await client.ask((api) => api.GET("/api/v1/groups", { params: { query: { ...query, by } }, signal: signal ?? null }))).groups;

/** Return a session at a glance, with its version. */
export async function outline(sessionId: string): Promise<Versioned<Outline>> {
  let etag = "";
  const value = await client.ask(async (api) => {
    const answer = await api.GET("/api/v1/sessions/{session_id}/outline", { params: one(sessionId) });
    etag = answer.response.headers.get("ETag") ?? "";
    return answer;
  });
  return { value: value as Outline, etag }; // openapi-fetch loses that requests are triples
}

export const messagesFrom = (sessionId: string, start: number, limit: number, longest = LONGEST) =>
  client.messages(sessionId, { start, limit, longest });

export const foundIn = (sessionId: string, q: string) =>
  client.ask((api) =>
    api.GET("/api/v1/sessions/{session_id}/find", { params: { ...one(sessionId), query: { q } } }),
  );

export const forked = (sessionId: string, at: string | number | null) =>
  client.ask((api) =>
    api.POST("/api/v1/sessions/{session_id}/fork", { params: one(sessionId), body: { at } }),
  );

export const restored = (sessionId: string) =>
  client.ask((api) => api.POST("/api/v1/sessions/{session_id}/restore", { params: one(sessionId) }));

export const trash = async () => (await client.ask((api) => api.GET("/api/v1/trash"))).sessions;

export const fault = (sessionId: string) =>
  client.ask((api) => api.GET("/api/v1/sessions/{session_id}/fault", { params: one(sessionId) }));

export const repaired = (sessionId: string) =>
  client.ask((api) => api.POST("/api/v1/sessions/{session_id}/repair", { params: one(sessionId) }));

export const secrets = async (sessionId: string) =>
  (await client.ask((api) => api.GET("/api/v1/sessions/{session_id}/secrets", { params: one(sessionId) }))).secrets;

export const imports = () => client.ask((api) => api.GET("/api/v1/imports"));

export const startImport = (programs: string[]) =>
  client.ask((api) => api.POST("/api/v1/imports", { body: { programs } as Schemas["ImportBody"] }));

export const importState = (importId: string) =>
  client.ask((api) => api.GET("/api/v1/imports/{import_id}", { params: { path: { import_id: importId } } }));

export const checkpoints = async (sessionId: string) =>
  (await client.ask((api) => api.GET("/api/v1/sessions/{session_id}/checkpoints", { params: one(sessionId) })))
    .checkpoint_ids;

export const checkpointDiff = (sessionId: string, checkpointId: string, base: string) =>
  client.ask((api) =>
    api.GET("/api/v1/sessions/{session_id}/checkpoints/{checkpoint_id}/diff", {
      params: { path: { session_id: sessionId, checkpoint_id: checkpointId }, query: { base } },
    }),
  );

/** Return a session as a file; as bytes, since a program's JSON must not be read and written again. */
export async function exported(sessionId: string, format: string, redact: boolean): Promise<Blob> {
  const address = `/api/v1/sessions/${encodeURIComponent(sessionId)}/export?format=${format}&redact=${redact}`;
  const answer = await fetch(address, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`The service answered ${answer.status}`);
  return answer.blob();
}
