import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "streamkit-bench-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A small run over Streamkit and the raw limits, which need nothing that is not in this repository. */
function start(...args: string[]) {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const flags = ["--conditions=@streamkit/source", main, "--only", "streamkit,raw", "--data", folder];
  return spawn(process.execPath, [...flags, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

describe("the benchmarks", () => {
  it("run, check what they read, compare, and leave nothing behind", { timeout: 120_000 }, async () => {
    const run = start("--runs", "1", "--records", "2000");
    const [output, errors, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, "exit")]);
    expect(code, errors).toBe(0);
    for (const id of ["W1", "W2", "W3", "W6", "W9"]) expect(output).toMatch(new RegExp(`^${id} `, "m"));
    expect(output).toMatch(/streamkit produce +raw-level blocks of 1,000, synced +perSecond +[\d.]+ x/);
    expect(await readdir(folder)).toEqual([]);
  });

  it("clean up when they are interrupted", { timeout: 60_000 }, async () => {
    const run = start("W1", "--runs", "1000", "--records", "100000");
    const exited = once(run, "exit");
    // The first figure shows that servers and clients are up.
    for await (const chunk of run.stderr) if (String(chunk).includes("W1: warm-up")) break;
    run.kill("SIGINT");
    expect((await exited)[0]).toBe(130);
    expect(await readdir(folder)).toEqual([]);
  });
});
