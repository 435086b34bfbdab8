/**
 * The token: for the one-time code in the fragment of the address, from this tab's memory, or from
 * another tab of the same origin. It stands in no address, no cookie and no file.
 */

const KEY = "token";
const CHANNEL = "localsessions";
const PATIENCE = 1000; // milliseconds that another tab has to answer; only who has no token waits for them

/** Return the token; undefined if this page has to be opened anew. */
export async function findToken(): Promise<string | undefined> {
  const code = takeCode();
  const token = (code && (await exchanged(code))) || sessionStorage.getItem(KEY) || (await askedOfOthers());
  if (!token) return undefined;
  sessionStorage.setItem(KEY, token);
  lend(token);
  return token;
}

/** Forget a token that the service does not know any more. */
export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

/** Take the code out of the address, before anything else can read it there. */
function takeCode(): string | undefined {
  const found = /^#code=([\w-]{1,200})/.exec(location.hash);
  if (found) history.replaceState(null, "", "#/");
  return found?.[1];
}

async function exchanged(code: string): Promise<string | undefined> {
  const answer = await fetch("/api/v1/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (!answer.ok) return undefined;
  return ((await answer.json()) as { token: string }).token;
}

function askedOfOthers(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL);
    const end = (token?: string) => {
      clearTimeout(timer);
      channel.close();
      resolve(token);
    };
    const timer = setTimeout(end, PATIENCE);
    channel.onmessage = ({ data }) => {
      if (typeof data?.token === "string") end(data.token);
    };
    channel.postMessage("who has the token?");
  });
}

/** Give the token to tabs that are opened later. */
function lend(token: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    if (typeof data === "string") channel.postMessage({ token });
  };
}
