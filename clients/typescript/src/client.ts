/** The client: every endpoint of the service by its types, and the few acts that a plugin is made of. */

import createApi, { type Client } from "openapi-fetch";

import { type Address, checkedAddress, headersOf } from "./address.js";
import type { components, paths } from "./api.js";
import { follow, type FollowOptions, type Told } from "./follow.js";
import { problemOf } from "./problem.js";
import { Backoff, pause } from "./waiting.js";

type Schemas = components["schemas"];
export type SessionLine = Schemas["SessionLine"];
export type SessionDetail = Schemas["SessionDetail"];
export type Message = Schemas["Said"];
export type Hit = Schemas["Hit"];
export type MessageRange = Schemas["MessageRange"];
export type Api = Client<paths>;
export type ListQuery = NonNullable<paths["/api/v1/sessions"]["get"]["parameters"]["query"]>;
export type MessagesQuery = NonNullable<
  paths["/api/v1/sessions/{session_id}/messages"]["get"]["parameters"]["query"]
>;

/** Says where the service is; it is asked again when a service does not answer any more. */
export type Locate = () => Promise<Address>;

export interface ClientOptions {
  /** Instead of the global one. */
  fetch?: typeof fetch;
}

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

const PAGE = 200;
const TRIES = 4;

/** A session with the version that was read: `etag` is what `change` and `remove` want. */
export interface Versioned<Data> {
  value: Data;
  etag: string;
}

export class SessionsClient {
  readonly #locate: Locate;
  readonly #fetch: typeof fetch;
  #address: Promise<Address> | undefined;

  /** An address that stays, or a function that finds it, as that of `discover`. */
  constructor(where: Address | Locate, options: ClientOptions = {}) {
    this.#locate = typeof where === "function" ? where : () => Promise.resolve(where);
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
  }

  /** Return where the service is. */
  async address(): Promise<Address> {
    this.#address ??= this.#locate().then(checkedAddress);
    try {
      return await this.#address;
    } catch (reason) {
      this.#address = undefined; // the next call looks again
      throw reason;
    }
  }

  /** Look for the service again: a new one has another token, and perhaps another port. */
  async relocate(): Promise<void> {
    this.#address = undefined;
    await this.address();
  }

  /**
   * Ask any endpoint: `client.ask((api) => api.GET("/api/v1/stats"))`.
   *
   * A service that was started anew is found and asked again. Throws `ProblemError` if it refuses.
   */
  async ask<Data>(act: (api: Api) => Promise<Answer<Data>>): Promise<Data> {
    return (await this.#asked(act)).data as Data;
  }

  /** List a page of sessions, the last active first. */
  page(query: ListQuery = {}): Promise<Schemas["Listed"]> {
    return this.ask((api) => api.GET("/api/v1/sessions", { params: { query: { limit: PAGE, ...query } } }));
  }

  /** Yield every session that fits, page by page. */
  async *sessions(query: ListQuery = {}): AsyncGenerator<SessionLine> {
    let cursor = query.cursor;
    do {
      const page = await this.page(cursor === undefined ? query : { ...query, cursor });
      yield* page.sessions;
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Read a session without its messages. */
  async session(sessionId: string): Promise<Versioned<SessionDetail>> {
    const path = { session_id: sessionId };
    return versioned(await this.#asked((api) => api.GET("/api/v1/sessions/{session_id}", { params: { path } })));
  }

  /** Read messages from `start` on, or the `last`. */
  async messages(sessionId: string, query: MessagesQuery = {}): Promise<MessageRange> {
    const params = { path: { session_id: sessionId }, query };
    return this.ask((api) => api.GET("/api/v1/sessions/{session_id}/messages", { params }));
  }

  /** Create a session. */
  async create(body: Schemas["CreateBody"] = {}): Promise<Versioned<SessionDetail>> {
    return versioned(await this.#once((api, headers) => api.POST("/api/v1/sessions", { body, headers })));
  }

  /** Add messages at the end, exactly once, though the connection may break; return them as stored. */
  async append(sessionId: string, ...messages: Message[]): Promise<Message[]> {
    const [params, body] = [{ path: { session_id: sessionId } }, { messages }];
    const answer = await this.#once((api, headers) =>
      api.POST("/api/v1/sessions/{session_id}/messages", { params, body, headers }),
    );
    return (answer.data as Schemas["Appended"]).messages;
  }

  /** Change title, metadata, tags, pin or archive, if the session is still the version that was read. */
  async change(sessionId: string, etag: string, body: Schemas["PatchBody"]): Promise<Versioned<SessionDetail>> {
    const params = { path: { session_id: sessionId }, header: { "If-Match": etag } };
    return versioned(await this.#asked((api) => api.PATCH("/api/v1/sessions/{session_id}", { params, body })));
  }

  /** Move a session to the trash, if it is still the version that was read. */
  async remove(sessionId: string, etag: string): Promise<void> {
    const params = { path: { session_id: sessionId }, header: { "If-Match": etag } };
    await this.#asked((api) => api.DELETE("/api/v1/sessions/{session_id}", { params }));
  }

  /** Find sessions by their words, the best first. */
  async search(q: string, query: Omit<SearchQuery, "q"> = {}): Promise<Hit[]> {
    const params = { query: { q, ...query } };
    const found = await this.ask((api) => api.GET("/api/v1/search", { params }));
    return found.hits as Hit[]; // openapi-fetch loses that highlights are pairs
  }

  /** Yield what happens until the signal comes; see `FollowOptions`. */
  follow(options: FollowOptions = {}): AsyncGenerator<Told> {
    const source = {
      address: () => this.address(),
      relocate: () => this.relocate(),
      fetch: this.#fetch,
    };
    return follow(source, options);
  }

  /** POST with a key, so that what is sent again after a break is done once. */
  async #once<Data>(act: (api: Api, headers: Record<string, string>) => Promise<Answer<Data>>): Promise<Answer<Data>> {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    try {
      return await this.#asked((api) => act(api, headers));
    } catch (reason) {
      if (!mayComeBack(reason)) throw reason;
      return this.#again(reason, (api) => act(api, headers));
    }
  }

  /** Ask the same service again. Not a new one: it does not know the key, and would do it twice. */
  async #again<Data>(reason: unknown, act: (api: Api) => Promise<Answer<Data>>): Promise<Answer<Data>> {
    const api = this.#api(await this.address());
    const backoff = new Backoff(200, 2_000);
    for (let tries = 1; tries < TRIES && mayComeBack(reason); tries += 1) {
      await pause(backoff.next());
      try {
        return refused(await act(api));
      } catch (another) {
        reason = another;
      }
    }
    throw reason;
  }

  async #asked<Data>(act: (api: Api) => Promise<Answer<Data>>): Promise<Answer<Data>> {
    const address = await this.address();
    try {
      return refused(await act(this.#api(address)));
    } catch (reason) {
      if (!wasNotHeard(reason)) throw reason;
      await this.relocate();
      const now = await this.address();
      if (now.url === address.url && now.token === address.token) throw reason;
      return refused(await act(this.#api(now)));
    }
  }

  #api(address: Address): Api {
    return createApi<paths>({ baseUrl: address.url, headers: headersOf(address), fetch: this.#fetch });
  }
}

type SearchQuery = NonNullable<paths["/api/v1/search"]["get"]["parameters"]["query"]>;

function refused<Data>(answer: Answer<Data>): Answer<Data> {
  if (!answer.response.ok) throw problemOf(answer.response, answer.error);
  return answer;
}

function versioned<Data>(answer: Answer<Data>): Versioned<Data> {
  return { value: answer.data as Data, etag: answer.response.headers.get("ETag") ?? "" };
}

/** Tell whether a request was surely not acted upon: nobody listens there, or the token is an old one. */
function wasNotHeard(reason: unknown): boolean {
  const told = reason as { status?: number; cause?: { code?: string } };
  return told.status === 401 || told.cause?.code === "ECONNREFUSED";
}

/** Tell whether the same request may be answered soon; browsers do not say why a fetch failed. */
function mayComeBack(reason: unknown): boolean {
  const told = reason as { status?: number; code?: string };
  return reason instanceof TypeError || told.status === 503 || told.code === "in-progress";
}
