/** Requests by the types of the OpenAPI document, in place of the package `openapi-fetch`: JSON only. */

interface Asked {
  params?: { path?: Record<string, string>; query?: Record<string, unknown>; header?: Record<string, string> };
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

interface Options {
  baseUrl: string;
  headers: Record<string, string>;
  fetch: (request: Request) => Promise<Response>;
}

/** Return an address with its parts filled in; what is undefined or null is left out. */
export function addressOf(base: string, path: string, asked: Asked["params"] = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(asked.path?.[name] ?? ""));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) query.append(name, String(one));
    }
  }
  const text = query.toString();
  return `${base}${filled}${text ? `?${text}` : ""}`;
}

export default function createClient({ baseUrl, headers, fetch }: Options) {
  const ask = (method: string) => async (path: string, asked: Asked = {}) => {
    const hasBody = asked.body !== undefined;
    const sent = { ...headers, ...asked.params?.header, ...asked.headers, ...(hasBody && { "Content-Type": "application/json" }) };
    const request = new Request(addressOf(baseUrl, path, asked.params), {
      method,
      headers: sent,
      body: hasBody ? JSON.stringify(asked.body) : null,
      signal: asked.signal ?? null,
    });
    const response = await fetch(request);
    const text = await response.text();
    const told = text ? (JSON.parse(text) as unknown) : undefined;
    return response.ok ? { data: told, response } : { error: told, response };
  };
  return { GET: ask("GET"), POST: ask("POST"), PUT: ask("PUT"), PATCH: ask("PATCH"), DELETE: ask("DELETE") };
}
