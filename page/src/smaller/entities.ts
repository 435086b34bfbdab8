/**
 * Character references of Markdown, in place of the package `entities`: its table of 2,231 names is
 * a third of the page. A name that is not here stays as it is written.
 */

const NAMES: Record<string, string> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™" },
  ...{ hellip: "…", mdash: "—", ndash: "–", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»" },
  ...{ bull: "•", middot: "·", times: "×", divide: "÷", plusmn: "±", deg: "°", para: "¶", sect: "§", euro: "€" },
  ...{ larr: "←", uarr: "↑", rarr: "→", darr: "↓", harr: "↔", le: "≤", ge: "≥", ne: "≠", asymp: "≈", infin: "∞" },
  ...{ check: "✓", cross: "✗", auml: "ä", ouml: "ö", uuml: "ü", Auml: "Ä", Ouml: "Ö", Uuml: "Ü", szlig: "ß", eacute: "é" },
};

/** Return a text without its character references. */
export function decodeHTML(text: string): string {
  return text.replace(/&(?:#x([\da-f]{1,6})|#(\d{1,7})|(\w{1,31}));/gi, (whole, hex?: string, number?: string, name?: string) => {
    if (name !== undefined) return Object.hasOwn(NAMES, name) ? NAMES[name]! : whole;
    const code = hex ? parseInt(hex, 16) : Number(number);
    // As CommonMark says: https://spec.commonmark.org/0.31.2/#decimal-numeric-character-references
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\ufffd" : String.fromCodePoint(code);
  });
}

export const decodeHTMLStrict = decodeHTML;
