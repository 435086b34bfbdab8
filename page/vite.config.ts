import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import preact from "@preact/preset-vite";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What of markdown-it its options switch off: HTML, the typographer, and other sets of rules. */
const OFF = [
  ...["replacements", "smartquotes", "html_block", "html_inline"].map(
    (rule) => new RegExp(String.raw`^\s*\[\s*"${rule}",[^[\]]*(\[[^[\]]*\])?[^[\]]*\],?$`, "m"),
  ),
  /^\tzero: \{[^]*?^\t\},?$/m,
  /^\tcommonmark: \{[^]*?^\t\},?$/m,
];

/** Leave out what is never asked for, with all that only that uses. */
const withoutOff: Plugin = {
  name: "without-off",
  transform(code, id) {
    if (!id.includes("/markdown-it/dist/")) return undefined;
    return OFF.reduce((text, part) => {
      if (!part.test(text)) throw new Error(`markdown-it has not got ${part} any more`);
      return text.replace(part, "");
    }, code);
  },
};

/** Write the licences of the packages that are in the bundle beside it, as each of them asks for. */
const licences: Plugin = {
  name: "licences",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((one) => (one.type === "chunk" ? Object.keys(one.modules) : []));
    const packages = modules.map((id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)).filter((found) => found !== null);
    const folders = new Map(packages.map(([folder, name]) => [name!, folder]));
    const told = [...folders].sort().map(([name, folder]) => `${name}\n\n${readFileSync(licenceIn(folder), "utf8").trim()}\n`);
    this.emitFile({ type: "asset", fileName: "licences.txt", source: told.join(`\n${"-".repeat(80)}\n\n`) });
  },
};

function licenceIn(folder: string): string {
  const name = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  if (name === undefined) throw new Error(`${folder} has no licence`);
  return `${folder}${name}`;
}

const SMALLER = ["entities", "linkify-it", "mdurl", "openapi-fetch", "punycode.js", "uc.micro"];

export default defineConfig({
  plugins: [withoutOff, licences, preact({ devToolsEnabled: false, prefreshEnabled: false })],
  resolve: {
    alias: {
      "localsessions-client": here("../clients/typescript/src/index.ts"),
      // What the page has no use for is half of its size.
      ...Object.fromEntries(SMALLER.map((name) => [name, here(`src/smaller/${name}.ts`)])),
    },
  },
  build: {
    outDir: here("../localsessions/server/page"),
    emptyOutDir: true,
    target: "es2023",
    assetsDir: "",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: "page.js",
        chunkFileNames: "page-[name].js",
        assetFileNames: "page[extname]",
      },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
