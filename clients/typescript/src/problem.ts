/** What a request is refused with: an `application/problem+json` as an error. */

import type { components } from "./api.js";

export type ProblemDocument = components["schemas"]["ProblemDocument"];

/** The service refused a request. `status` is that of HTTP, `code` says what is wrong, for programs. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  /** The place in the request that is wrong, as `messages[0].role`. */
  readonly place: string | undefined;
  /** The version that is stored, if the request named another one (412). */
  readonly etag: string | undefined;

  constructor(status: number, told: Partial<ProblemDocument>, etag?: string | null) {
    super(told.detail ?? told.title ?? `the service answered ${status}`);
    this.name = "ProblemError";
    this.status = status;
    this.code = told.code ?? "unknown";
    this.place = told.place ?? undefined;
    this.etag = etag ?? undefined;
  }
}

/** Return the problem that a response is; its body may be any other program's. */
export function problemOf(response: Response, body: unknown): ProblemError {
  const told = typeof body === "object" && body !== null ? (body as Partial<ProblemDocument>) : {};
  return new ProblemError(response.status, told, response.headers.get("ETag"));
}

/** Return the problem that a response is, whose body is not read yet. */
export async function problemIn(response: Response): Promise<ProblemError> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { detail: text.slice(0, 200) || undefined };
  }
  return problemOf(response, body);
}
