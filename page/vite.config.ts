import { fileURLToPath } from "node:url";

import preact from "@preact/preset-vite";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Rules of markdown-it that its options switch off: no HTML, no typographer. */
const OFF = ["replacements", "smartquotes", "html_block", "html_inline"];

/** Leave rules out that are never asked for, with all that only they use. */
const withoutRules: Plugin = {
  name: "without-rules",
  transform(code, id) {
    if (!id.includes("/markdown-it/dist/")) return undefined;
    return OFF.reduce((text, name) => {
      const rule = new RegExp(String.raw`^\s*\[\s*"${name}",[^[\]]*(\[[^[\]]*\])?[^[\]]*\],?$`, "m");
      if (!rule.test(text)) throw new Error(`markdown-it has no rule ${name} any more`);
      return text.replace(rule, "");
    }, code);
  },
};

const SMALLER = ["entities", "linkify-it", "mdurl", "openapi-fetch", "punycode.js", "uc.micro"];

export default defineConfig({
  plugins: [withoutRules, preact({ devToolsEnabled: false, prefreshEnabled: false })],
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
