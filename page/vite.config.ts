import { fileURLToPath } from "node:url";

import preact from "@preact/preset-vite";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const SMALLER = ["entities", "linkify-it", "mdurl", "openapi-fetch", "punycode.js", "uc.micro"];

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false })],
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
