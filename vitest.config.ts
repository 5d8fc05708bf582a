import { defineConfig } from "vitest/config";

/** Workspace packages are tested from their sources, not from what was built. */
const conditions = ["@streamkit/source", "node", "import", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.browser.test.ts"],
    reporters: ["default", "./scripts/closing-counts.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
