/**
 * Ends processes that a test run leaves behind. Runs beside it, in a session of its own, and outlives it:
 *
 * - When a test worker has died, the reaper ends its processes within seconds. The killed worker cannot do that, and
 *   the run may be waiting for them.
 * - When standard input ends, the run is over for any reason, and the reaper ends all its remaining processes.
 *
 * Prints a line for each process that it has ended.
 *
 *     node scripts/test-run/reaper.ts RUN SESSION
 */
import { isAlive, kill, processesOf, type RunProcess } from "./processes.ts";

const LOOK_MILLIS = 1_000;
/** A process may start another one just before its end. The reaper repeats its search until it finds nothing. */
const MAX_LOOKS = 20;
const PAUSE_MILLIS = 50;

const [run = "", session = ""] = process.argv.slice(2);

function end({ pid, command }: RunProcess): void {
  kill(pid);
  process.stdout.write(`${pid} ${command.slice(0, 200)}\n`);
}

function endOrphans(): void {
  for (const each of processesOf(run, Number(session))) {
    if (each.worker !== undefined && !isAlive(each.worker)) end(each);
  }
}

async function endAll(): Promise<void> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const left = processesOf(run, Number(session));
    if (left.length === 0) return;
    for (const each of left) end(each);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// If the run was killed, nobody reads the output.
process.stdout.on("error", () => {});
const timer = setInterval(endOrphans, LOOK_MILLIS);
process.stdin.resume();
process.stdin.on("end", async () => {
  clearInterval(timer);
  await endAll();
  process.exit();
});
