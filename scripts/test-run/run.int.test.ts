/** `npm test` ends with its counts and leaves no process, even if any of its processes is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAlive, kill, processName } from "./processes.ts";

const FIXTURE = fileURLToPath(new URL("fixture", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../test.ts", import.meta.url));
const PATIENCE = { timeout: 120_000 };

interface Pids {
  readonly worker: number;
  readonly vitest: number;
  readonly children: readonly number[];
}

let folder: string;
/** Processes of the fixture, to be ended if the test fails. */
let names: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "streamkit-test-run-"));
  names = [];
});

afterEach(async () => {
  for (const name of names) if (isAlive(name)) kill(Number(name.split(":", 1)[0]));
  await rm(folder, { recursive: true });
});

/**
 * Starts the fixture's tests.
 *
 * @param npm true for `npm test`; false for the program that it starts
 */
function start({ args = [], env = {}, npm = false }: { args?: string[]; env?: NodeJS.ProcessEnv; npm?: boolean } = {}) {
  const argv = npm ? ["test", "--", "--root", FIXTURE, ...args] : [PROGRAM, "--root", FIXTURE, ...args];
  const child = spawn(npm ? "npm" : process.execPath, argv, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FIXTURE_PIDS: join(folder, "pids"), ...env },
  });
  const output = text(child.stdout);
  return { child, output, errors: text(child.stderr) };
}

/** Waits for the start of the test that waits for ever. */
async function begun(child: ChildProcess): Promise<Pids> {
  const read = (): Pids | undefined => {
    if (child.exitCode !== null) throw new Error(`the run has ended with ${child.exitCode}`);
    const path = join(folder, "pids");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8") || "null") ?? undefined) : undefined;
  };
  await expect.poll(read, PATIENCE).toBeDefined();
  const pids = read()!;
  names = [pids.vitest, pids.worker, ...pids.children].map((pid) => processName(pid)!);
  return pids;
}

async function closing(output: Promise<string>): Promise<string | undefined> {
  return (await output).trimEnd().split("\n").at(-1);
}

const alive = () => names.filter(isAlive);

describe("npm test", { timeout: 300_000 }, () => {
  it("ends with the counts of tests that pass", async () => {
    const { child, output } = start({ args: ["passes"] });
    expect(await closing(output)).toBe("1 passed, 0 failed, 1 skipped");
    expect(await output).not.toContain("left");
    expect(child.exitCode ?? (await once(child, "exit"))[0]).toBe(0);
  });

  it.each(["worker", "vitest"] as const)("ends with its counts when kill -9 hits the %s", async (victim) => {
    const { child, output } = start();
    const pids = await begun(child);
    kill(pids[victim]);
    // The passing file may have been running at that time.
    expect(await closing(output)).toMatch(/^[01] passed, [12] failed, [01] skipped$/);
    expect(await output).toContain("waits.case.ts");
    for (const pid of pids.children) expect(await output).toMatch(new RegExp(`^ +${pid} `, "m"));
    expect(alive()).toEqual([]);
    expect(child.exitCode ?? (await once(child, "exit"))[0]).toBe(1);
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("ends with its counts at %s", async (signal, code) => {
    const { child, output } = start();
    await begun(child);
    child.kill(signal);
    expect(await closing(output)).toMatch(/^[01] passed, [12] failed, [01] skipped$/);
    expect(await output).toContain(`${signal}: the run is given up`);
    expect(alive()).toEqual([]);
    expect(child.exitCode ?? (await once(child, "exit"))[0]).toBe(code);
  });

  it("ends with its counts when no test ends for too long", async () => {
    const { child, output } = start({ args: ["waits"], env: { STREAMKIT_TEST_STALL_SECONDS: "20" } });
    await begun(child);
    expect(await closing(output)).toBe("0 passed, 1 failed, 0 skipped");
    expect(await output).toContain("no test has ended for 20 s");
    expect(alive()).toEqual([]);
    expect(child.exitCode ?? (await once(child, "exit"))[0]).toBe(1);
  });

  it("ends with its counts when npm is killed", async () => {
    const { child, output } = start({ npm: true });
    await begun(child);
    child.kill("SIGKILL");
    expect(await closing(output)).toMatch(/^[01] passed, [12] failed, [01] skipped$/);
    expect(await output).toContain("the process that started the tests is gone");
    expect(alive()).toEqual([]);
  });

  it("leaves no process when it is killed itself", async () => {
    const { child } = start();
    await begun(child);
    child.kill("SIGKILL");
    await expect.poll(alive, PATIENCE).toEqual([]);
  });

  it("reports a limit that is not a number", async () => {
    const { child, errors } = start({ env: { STREAMKIT_TEST_STALL_SECONDS: "soon" } });
    expect(await errors).toContain("STREAMKIT_TEST_STALL_SECONDS: expected a number of seconds");
    expect(child.exitCode ?? (await once(child, "exit"))[0]).toBe(1);
  });
});
