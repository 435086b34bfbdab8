/** Writing of addresses, in place of the package `mdurl`: the browser encodes them when it uses them. */

interface Address {
  text: string;
}

export const parse = (text: string): Address => ({ text });
export const format = ({ text }: Address): string => text;
export const encode = (text: string): string => text;

/** Return an address as people read it. */
export function decode(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}
decode.defaultChars = "";
