import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

it.each([
  ["the server and its client of two checkouts", [], ["server", "client"]],
  ["HTTP/2 with a WebSocket", ["--over", "http2,websocket", "--storage", "memory"], ["server", "client"]],
  ["no authentication with tokens", ["--auth", "none,jwt", "--storage", "memory"], ["server", "client"]],
  ["sessions of two checkouts", ["--operation", "produce"], ["server", "client"]],
  ["bulk reads of two checkouts", ["--operation", "consume"], ["server", "client"]],
  ["calls without a transport of two checkouts", ["--engine", "--storage", "memory"], ["engine"]],
])("compares %s", { timeout: 240_000 }, async (_, options, labels) => {
  const args = ["--conditions=@streamkit/source", MAIN, ROOT, ROOT, "--count", "50", "--pairs", "1", ...options];
  const run = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, "exit")]);
  expect(code, errors).toBe(0);
  for (const label of labels)
    expect(output).toMatch(new RegExp(`^${label}, main thread +[\\d,.]+ +[\\d,.]+ +[\\d.]+ \\(`, "m"));
});
