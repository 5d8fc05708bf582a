/**
 * `npm run demo`: sends 20,000 real flights through a real server, and kills the server halfway. Takes a few seconds.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadFlights } from "./flights.ts";
import { grouped, table, verdict } from "./report.ts";
import { tell } from "./story.ts";

const DEADLINE_MILLIS = 120_000;

/** Fires at the end of the demo, for any reason. Every process that the demo has started ends with it. */
const ending = new AbortController();
let interruptedBy: string | undefined;
/** A demo that hangs has failed. */
const deadline = setTimeout(() => ending.abort(new Error(`not done after ${DEADLINE_MILLIS} ms`)), DEADLINE_MILLIS);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interruptedBy = signal;
    ending.abort();
  });
}

const folder = await mkdtemp(join(tmpdir(), "streamkit-demo-"));
try {
  const flights = await loadFlights();
  console.log(`Streamkit demo: ${grouped(flights.length)} US domestic flights of 2001, one segment per airport\n`);
  const { measurements, checks } = await tell(flights, folder, ending.signal);
  console.log(`\n${table(measurements)}\n\n${verdict(checks.all)}`);
  process.exitCode = checks.failed.length === 0 ? 0 : 1;
} catch (error) {
  console.error(interruptedBy === undefined ? error : `\ndemo: ended by ${interruptedBy}, cleaning up`);
  process.exitCode = interruptedBy === undefined ? 1 : 130;
} finally {
  clearTimeout(deadline);
  ending.abort();
  // Retried, because a server that was just killed may still be adding a file.
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
