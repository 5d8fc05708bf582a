/**
 * Runs the tests; `npm test` calls it. Arguments go to `vitest run`, for example names of files.
 *
 * Always ends with a line of counts, and leaves no process. After STREAMKIT_TEST_STALL_SECONDS without a test that
 * ends, it gives the run up. Default: 1,200 s.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { runTests } from "./test-run/run.ts";

const TOOLS = ["strace", "redis-server", "nats-server", "chromium"];

const tools = spawnSync(process.execPath, [fileURLToPath(new URL("require-tools.ts", import.meta.url)), ...TOOLS], {
  stdio: "inherit",
});
if (tools.status !== 0) process.exit(tools.status ?? 1);
const stallSeconds = Number(process.env.STREAMKIT_TEST_STALL_SECONDS ?? 1_200);
if (!(stallSeconds > 0)) throw new Error("STREAMKIT_TEST_STALL_SECONDS: expected a number of seconds");
process.exit(await runTests({ args: process.argv.slice(2), stallMillis: stallSeconds * 1_000 }));
