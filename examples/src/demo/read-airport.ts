import type { SpaceHandle } from "@streamkit/client";
import { type Checks, firstDifference, firstGap } from "./checks.ts";
import { byOrigin, type Flight } from "./flights.ts";

/** Reads the airport with the most flights, in sequence order. */
export async function readBusiestAirport(
  space: SpaceHandle<Flight, Flight>,
  imported: readonly Flight[],
  checks: Checks,
  signal: AbortSignal,
) {
  const [airport, expected] = [...byOrigin(imported)].reduce((a, b) => (b[1].length > a[1].length ? b : a));
  const started = performance.now();
  const found: Flight[] = [];
  const sequences: number[] = [];
  for await (const entry of space.segment(airport).consume({ signal })) {
    found.push(entry.value);
    sequences.push(entry.sequence);
  }
  const seconds = (performance.now() - started) / 1_000;
  checks.none(`segment ${airport}: sequences count 1, 2, 3, ...`, firstGap(sequences));
  checks.none(`segment ${airport}: holds the flights of the source in their order`, firstDifference(found, expected));
  return { airport, measurement: { what: `read one segment (${airport})`, count: found.length, seconds } };
}
