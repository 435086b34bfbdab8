/** Code in colours, for eight languages that agents write most. */

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";

const LANGUAGES = { bash, diff, go, json, python, rust, typescript, xml };
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);
hljs.registerAliases(["javascript", "js", "jsx", "mjs", "cjs"], { languageName: "typescript" });

const MOST_CHARACTERS = 50_000;
const MOST_LINES = 800;

/** Return code as markup; an empty text if it is of no known language, or too long. */
export function highlighted(code: string, language: string): string {
  if (code.length > MOST_CHARACTERS || !hljs.getLanguage(language)) return "";
  if (code.split("\n", MOST_LINES + 1).length > MOST_LINES) return "";
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
