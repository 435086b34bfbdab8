/**
 * Addresses in a text, in place of the package `linkify-it`: only those that begin with http:// or
 * https://, for nothing else is meant to be one in what an agent writes.
 */

export interface Match {
  schema: string;
  index: number;
  lastIndex: number;
  raw: string;
  text: string;
  url: string;
}

const ADDRESS = /https?:\/\/[^\s<>"'`|\\^{}]{1,2000}/gi;
const AT_START = new RegExp(`^${ADDRESS.source}`, "i");

/** Return an address without the marks that end the sentence, and without a bracket that it did not open. */
export function trimmed(address: string): string {
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1]!;
    if (".,:;!?*_~".includes(last)) continue;
    const open = { ")": "(", "]": "[" }[last];
    if (open === undefined || count(address, open, end) >= count(address, last, end)) break;
  }
  return address.slice(0, end);
}

function count(text: string, sign: string, end: number): number {
  let found = 0;
  for (let at = 0; at < end; at += 1) found += text[at] === sign ? 1 : 0;
  return found;
}

function matchOf(found: string, index: number): Match {
  const address = trimmed(found);
  return { schema: "", index, lastIndex: index + address.length, raw: address, text: address, url: address };
}

export class LinkifyIt {
  pretest(text: string): boolean {
    return text.includes("://");
  }

  test(text: string): boolean {
    return this.match(text) !== null;
  }

  match(text: string): Match[] | null {
    const found = [...text.matchAll(ADDRESS)].map((one) => matchOf(one[0], one.index));
    return found.length > 0 ? found : null;
  }

  matchAtStart(text: string): Match | null {
    const found = AT_START.exec(text);
    return found && matchOf(found[0], 0);
  }
}

export default LinkifyIt;
