/** Where a service is. */

/** The address of a service and the token that it wants. */
export interface Address {
  /** As `http://127.0.0.1:8001`. */
  url: string;
  token: string;
}

/** Return an address without a slash at its end; the token goes to this machine only. */
export function checkedAddress(address: Address): Address {
  const url = new URL(address.url);
  if (url.protocol !== "http:" || !["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)) {
    throw new TypeError(`the service is on this machine only, not at ${url.origin}`);
  }
  return { url: url.origin, token: address.token };
}

/** Return the headers of a request. */
export function headersOf(address: Address, more: Record<string, string> = {}): Record<string, string> {
  return { Authorization: `Bearer ${address.token}`, ...more };
}
