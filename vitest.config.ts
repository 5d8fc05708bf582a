import { defineConfig } from "vitest/config";

/** Workspace packages are tested from their sources, not from what was built. */
const conditions = ["@streamkit/source", "node", "import", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    reporters: ["default", "./scripts/closing-counts.ts"],
    setupFiles: ["./scripts/test-run/mark-children.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What has to come about at some time, on a machine that has other work to do; a test that is about time says so
    // itself.
    expect: { poll: { timeout: 10_000 } },
    maxWorkers: 2,
  },
});
