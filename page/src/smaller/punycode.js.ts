/** Names of machines as they are written, in place of the package `punycode.js`: the browser resolves them. */

const same = (name: string) => name;

export default { toASCII: same, toUnicode: same };
