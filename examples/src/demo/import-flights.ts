import type { SpaceHandle } from "@streamkit/client";
import type { Checks } from "./checks.ts";
import type { Flight } from "./flights.ts";
import { Progress } from "./progress.ts";
import { grouped, type Measurement } from "./report.ts";

/**
 * Writes flights in bulk: many records per transaction, and many transactions in flight. Each is durable when
 * acknowledged.
 */
export async function importFlights(
  space: SpaceHandle<Flight, Flight>,
  flights: readonly Flight[],
  checks: Checks,
  signal: AbortSignal,
): Promise<Measurement> {
  const progress = new Progress("import", flights.length);
  const started = performance.now();
  let written = 0;
  const routed = flights.map((flight) => ({ segment: flight.origin, record: flight }));
  const summary = await space.produce(routed, {
    signal,
    onAck(result) {
      for (const range of result.ranges) written += range.lastSequence - range.firstSequence + 1;
      progress.update(written);
    },
  });
  const seconds = (performance.now() - started) / 1_000;
  progress.finish(`${grouped(summary.records)} flights in ${grouped(summary.transactions)} transactions, all durable`);
  checks.equal(`import: ${grouped(flights.length)} records were acknowledged`, summary.records, flights.length);
  checks.equal("import: the acknowledged ranges add up to the same number", written, flights.length);
  return { what: "import", count: summary.records, seconds };
}
