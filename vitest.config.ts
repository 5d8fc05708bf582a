import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@streamkit/source", "node", "import", "default"] },
  ssr: { resolve: { conditions: ["@streamkit/source", "node", "import", "default"] } },
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.browser.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
