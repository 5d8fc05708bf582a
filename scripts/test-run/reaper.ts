/**
 * Ends what a test run leaves behind. Runs beside it, in a session of its own, and outlives it:
 *
 * - Processes of a test worker that has died end within seconds: a killed worker cannot do it, and the run may wait for
 *   them.
 * - When standard input ends, all that is left of the run ends. That is when the run is over, whatever it died of.
 *
 * Prints a line for each process that it has ended.
 *
 *   node scripts/test-run/reaper.ts RUN SESSION
 */
import { isAlive, kill, processesOf, type RunProcess } from "./processes.ts";

const LOOK_MILLIS = 1_000;
/** What ends may start something in its last moment: the reaper looks again until there is nothing. */
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
// When the run was killed, nobody reads what is printed.
process.stdout.on("error", () => {});
const timer = setInterval(endOrphans, LOOK_MILLIS);
process.stdin.resume();
process.stdin.on("end", async () => {
  clearInterval(timer);
  await endAll();
  process.exit();
});
