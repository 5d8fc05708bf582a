import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isAlive, RUN_VARIABLE, starters, WORKER_VARIABLE } from "./processes.ts";
import { Counts, type Progress } from "./progress.ts";

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** Longest time for vitest to end after it is told to, or after all tests have run. */
const ENDING_MILLIS = 30_000;
/** Time between two checks that the process which started the run still exists. */
const PARENT_MILLIS = 1_000;

export interface RunOptions {
  /** Arguments of `vitest run`. */
  readonly args: readonly string[];
  /** Longest time without a test that ends, in milliseconds. */
  readonly stallMillis: number;
}

/**
 * Runs vitest, and always ends with its counts: even if a worker or vitest itself is killed or hangs, and if the run is
 * interrupted. Leaves no process behind. Returns the exit code.
 */
export async function runTests({ args, stallMillis }: RunOptions): Promise<number> {
  const run = randomUUID();
  const counts = new Counts();
  const vitest = startVitest(run, args);
  const reaper = startReaper(run, vitest.pid);
  let code: number | undefined;
  let ending: NodeJS.Timeout | undefined;

  /** Tells vitest to end, and ends it if it does not. */
  const stop = (why: string, exitCode: number) => {
    if (code !== undefined) return;
    code = exitCode;
    say(why);
    vitest.kill("SIGTERM");
    clearTimeout(ending);
    ending = setTimeout(() => vitest.kill("SIGKILL"), ENDING_MILLIS);
  };
  const stalled = () => stop(`no test has ended for ${stallMillis / 1_000} s: the run is given up`, 1);
  let stall = setTimeout(stalled, stallMillis);
  const waiting = starters();
  const orphaned = setInterval(() => {
    if (!waiting.every(isAlive)) stop("the process that started the tests is gone: the run is given up", 1);
  }, PARENT_MILLIS);
  for (const [signal, exitCode] of Object.entries(SIGNALS))
    process.on(signal, () => stop(`${signal}: the run is given up`, exitCode));
  // The process that started the tests may have read the output, too.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});

  vitest.on("message", (progress: Progress) => {
    counts.add(progress);
    clearTimeout(stall);
    if (progress.kind !== "all-ended") stall = setTimeout(stalled, stallMillis);
    else
      ending = setTimeout(() => stop("vitest does not end although all tests have: it is made to", 1), ENDING_MILLIS);
  });
  const [exitCode, signal] = await ended(vitest);
  for (const timer of [stall, ending, orphaned]) clearTimeout(timer);

  if (code === undefined && !counts.complete) say(`vitest has ended with ${signal ?? exitCode} before all tests had`);
  const left = await reap(reaper);
  if (left !== "") say(`ending processes that were left:\n${left}`);
  if (counts.unfinished.length > 0)
    say(`started and not ended, each counted as failed:\n  ${counts.unfinished.join("\n  ")}`);
  process.stdout.write(`\n${counts.line}\n`);
  if (code !== undefined) return code;
  return counts.good ? (exitCode ?? 1) : exitCode || 1;
}

function startVitest(run: string, args: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
  return spawn(process.execPath, [program, "run", ...args], {
    // A session of its own distinguishes its processes from all others.
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...unmarked(), [RUN_VARIABLE]: run },
  });
}

function startReaper(run: string, session: number | undefined): ChildProcess {
  const program = fileURLToPath(new URL("reaper.ts", import.meta.url));
  return spawn(process.execPath, [program, run, String(session)], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
    env: unmarked(),
  });
}

/** The environment, without the marks of an outer run that tests this one. */
function unmarked(): NodeJS.ProcessEnv {
  const { [RUN_VARIABLE]: _run, [WORKER_VARIABLE]: _worker, ...environment } = process.env;
  return environment;
}

function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  // Not "close": a process that was left may hold the channel open.
  return once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
}

/** Ends all remaining processes. Resolves with their names, in lines. */
async function reap(reaper: ChildProcess): Promise<string> {
  let left = "";
  reaper.stdout?.setEncoding("utf8").on("data", (text: string) => {
    left += text.replaceAll(/^(?=.)/gm, "  ");
  });
  reaper.stdin?.end();
  if (reaper.exitCode === null && reaper.signalCode === null) await once(reaper, "close");
  return left.trimEnd();
}

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}
