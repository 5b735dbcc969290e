// The build of Gale's web page. Everything it needs is served from Gale's own address: the
// server's Content-Security-Policy allows nothing else, and no inline script.
import { defineConfig } from "vite";

// `vite` alone (npm run dev) sends the API's calls to a Gale that runs beside it.
const backend = "http://127.0.0.1:8080";

export default defineConfig({
  base: "/static/",
  oxc: { jsx: { runtime: "automatic" } },
  build: {
    outDir: "../src/gale_webserver/static",
    emptyOutDir: true,
    target: "es2022",
    // An inlined asset is a data: address, which the policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn(warning, warn) {
        // "use client" is a word to other frameworks; here everything runs in the browser.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
    // elkjs in its worker is 1.5 MB and is loaded by the graph alone.
    chunkSizeWarningLimit: 1700,
  },
  server: {
    proxy: { "/api": backend, "/ui": backend, "/auth": backend },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
