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

/** A small run with Streamkit and the raw limits, which need nothing outside of this repository. */
function start(...args: string[]) {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const flags = ["--conditions=@streamkit/source", main, "--data", folder];
  return spawn(process.execPath, [...flags, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs to the end. Resolves with the output. */
async function outputOf(...args: string[]): Promise<string> {
  const run = start(...args);
  const [output, errors, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, "exit")]);
  expect(code, errors).toBe(0);
  return output;
}

describe("the benchmarks", () => {
  it("run, check their reads, compare, and leave nothing behind", { timeout: 240_000 }, async () => {
    const ids = ["W1", "W2", "W3", "W4", "W6"];
    const output = await outputOf(...ids, "--runs", "1", "--records", "2000", "--only", "streamkit,raw");
    for (const id of ids) expect(output).toMatch(new RegExp(`^${id} `, "m"));
    expect(output).toMatch(/streamkit produce +raw-level blocks of 1,000, synced +perSecond +[\d.]+ x/);
    expect(await readdir(folder)).toEqual([]);
  });

  it("count the costs of storage (W9)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W9", "--records", "2000");
    expect(output).toMatch(/^append, warm +1 +1 +0 /m);
    expect(output).toMatch(/^append that loses a race, commits missed: 1 +4 +2 +1 +1 +1 +0 /m);
    expect(output).toMatch(/^requests per lost race, besides +3.00$/m);
    expect(output).toMatch(/^lease, renewed +2 +1 /m);
    expect(output).toMatch(/^requests per commit +1\.00 .* met$/m);
    expect(output).toMatch(/^8, a segment each +40 +\d+ +[\d.]+ /m);
    expect(output).toMatch(/^with a bus, 10 +[\d.]+ +[\d.]+/m);
    expect(output).toMatch(/^followed spaces: 1, followers of each: 10 +[\d.]+/m);
    expect(output).toMatch(/^an exclusive consumer of one space, lease of 30 s +[\d.]+/m);
  });

  it("measure growth (W7)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W7", "--records", "10000");
    expect(output).toContain("list, us per segment");
    expect(output).toMatch(/^1,000 /m);
  });

  it("measure live latency (W5)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W5", "--runs", "1", "--records", "1000", "--only", "streamkit");
    expect(output).toMatch(/^streamkit follow, HTTP\/2, 10 +\d/m);
    expect(output).toMatch(/^streamkit follow, WebSocket, 1 +p99 .* (met|MISSED)$/m);
    expect(output).toMatch(/^streamkit follow, WebSocket, 10 +streamkit follow, HTTP\/2, 10 +sent50 +[\d.]+ x/m);
    expect(await readdir(folder)).toEqual([]);
  });

  it("hold idle followers (W8)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W8", "--records", "2000");
    expect(output).toContain("W8 Idle followers: 100, each of a segment of its own, of which 10 get entries");
    for (const way of ["HTTP/2", "WebSocket"]) {
      expect(output).toMatch(new RegExp(`^streamkit, ${way} +[1-9].* [1-9][\\d,]* +[\\d.]+ +[1-9][\\d.]*$`, "m"));
      expect(output).toMatch(new RegExp(`^streamkit, ${way} .* <= 20\\.0 KiB: (met|MISSED)$`, "m"));
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it("start (W12)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W12", "--runs", "1", "--records", "2000", "--only", "node,sources");
    expect(output).toMatch(/^node, an empty program +[1-9]/m);
    expect(output).toMatch(/^streamkit from sources, filled store +node, an empty program +ack +[1-9][\d.]* x/m);
    expect(await readdir(folder)).toEqual([]);
  });

  it("load, decide and save (W13)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W13", "--runs", "1", "--records", "10000", "--only", "streamkit,sqlite");
    for (const way of ["HTTP/2", "WebSocket"]) {
      // Of 64 commands at a time, some must meet at ten aggregates.
      expect(output).toMatch(
        new RegExp(`^streamkit load and append, ${way} +[1-9].* [1-9][\\d.,]* +[\\d.,]+ +[\\d.,]+$`, "m"),
      );
    }
    expect(output).toMatch(/^sqlite SELECT and INSERT, in process +[1-9].* 0\.000 +0\.000 +0\.000$/m);
    expect(await readdir(folder)).toEqual([]);
  });

  it("measure the price of tokens, and a quiet tenant beside a flood (W14)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W14", "--runs", "1", "--records", "2000");
    for (const operation of ["a record of a session", "a unary append"]) {
      const [ours, other] = ["JWT, warm", "no authentication"].map((way) => `streamkit ${operation}, ${way}`);
      expect(output).toMatch(new RegExp(`^${ours} +${other} +serverCpu +[\\d.]+ x .* 1\\.05 x: (met|MISSED)`, "m"));
    }
    expect(output).toMatch(/^quiet tenant alone .* 0\.000 +0\.000 +0\.000$/m);
    for (const limits of [", default limits", " at its limit"]) {
      expect(output).toMatch(
        new RegExp(`^quiet tenant beside a flood${limits} +quiet tenant alone +sent99 +[\\d.]+ x`, "m"),
      );
      expect(output).toMatch(new RegExp(`^quiet tenant beside a flood${limits} .* [1-9][\\d.,]*$`, "m"));
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it("measure memory (W15)", { timeout: 240_000 }, async () => {
    const output = await outputOf("W15", "--records", "20000");
    expect(output).toMatch(/^group of 20 workers without labels +20 +[\d.]+ +-?[\d.]+ +[\d.]+ +[\d.]+$/m);
    expect(output).toMatch(/^when all have gone +- +[\d.]+ +- /m);
    expect(await readdir(folder)).toEqual([]);
  });

  it("run several instances on one storage (W10), and leave nothing behind", { timeout: 240_000 }, async () => {
    const output = await outputOf(
      "W10",
      "--runs",
      "1",
      "--records",
      "2000",
      "--only",
      "2 instances on one space +5 ms",
    );
    const cell = "streamkit 2 instances on one space \\+5 ms";
    expect(output).toMatch(/^raw-table 2 processes x 8 +[1-9]/m);
    expect(output).toMatch(new RegExp(`^${cell} +[1-9][\\d.]* `, "m"));
    expect(output).toMatch(/one space never below 0.500 of one instance: (met|MISSED)$/m);
    expect(output).toMatch(/^2, \+5 ms +[1-9][\d.]* +[\d.]+ .* (met|MISSED) /m);
    expect(output).toMatch(new RegExp(`^${cell} +[\\d.]+ +[\\d.]+ +[+-]\\d+ % `, "m"));
    expect(await readdir(folder)).toEqual([]);
  });

  it("show how the numbers of the engine were chosen (W10), without measuring anything", {
    timeout: 120_000,
  }, async () => {
    const output = await outputOf("W10", "--only", "simulation");
    expect(output).toMatch(/^as the engine, 20 +0.9/m);
    expect(output).not.toContain("raw-table 1 process");
  });

  it("clean up when they are interrupted", { timeout: 120_000 }, async () => {
    const run = start("W1", "--runs", "1000", "--records", "100000", "--only", "streamkit,raw");
    const exited = once(run, "exit");
    // The first figure shows that servers and clients are running.
    for await (const chunk of run.stderr) if (String(chunk).includes("W1: warm-up")) break;
    run.kill("SIGINT");
    expect((await exited)[0]).toBe(130);
    expect(await readdir(folder)).toEqual([]);
  });
});
