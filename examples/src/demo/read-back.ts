import { createHash } from "node:crypto";
import type { Entry, SpaceHandle } from "@streamkit/client";
import { type Checks, firstDifference, firstGap } from "./checks.ts";
import { byOrigin, type Flight } from "./flights.ts";

/** The content of a space, as one reader saw it. */
export interface Reading {
  readonly entries: readonly Entry<Flight>[];
  readonly seconds: number;
}

/** Reads a whole space in offset order. */
export async function readSpace(space: SpaceHandle<Flight, Flight>, signal: AbortSignal): Promise<Reading> {
  const started = performance.now();
  const entries: Entry<Flight>[] = [];
  for await (const batch of space.consume({ signal }).batches()) entries.push(...batch);
  return { entries, seconds: (performance.now() - started) / 1_000 };
}

/** Fingerprint of entries: contents, positions, times and transactions, everything that a reader can see. */
export function fingerprint(entries: readonly Entry<Flight>[]): string {
  const hash = createHash("sha256");
  for (const entry of entries) {
    const { offset, segment, sequence, transactionId, transactionNumber, commitTimeMicros } = entry;
    hash.update(JSON.stringify([offset, segment, sequence, transactionId, transactionNumber, commitTimeMicros]));
    hash.update(entry.payload);
  }
  return hash.digest("hex");
}

/** Compares a reading of the whole space with its source. */
export function checkSpace(checks: Checks, when: string, { entries }: Reading, source: readonly Flight[]): void {
  checks.equal(`${when}: the space holds ${source.length.toLocaleString("en")} entries`, entries.length, source.length);
  checks.none(`${when}: offsets count 1, 2, 3, ... without a gap`, firstGap(entries.map((entry) => entry.offset)));
  checks.none(`${when}: later transactions have later commit times`, timeDisorder(entries));

  const segments = Map.groupBy(entries, (entry) => entry.segment);
  const expected = byOrigin(source);
  checks.equal(`${when}: there is one segment per airport`, [...segments.keys()].sort(), [...expected.keys()].sort());
  let gap: string | undefined;
  let difference: string | undefined;
  for (const [origin, flights] of expected) {
    const found = segments.get(origin) ?? [];
    gap ??= prefixed(origin, firstGap(found.map((entry) => entry.sequence)));
    difference ??= prefixed(
      origin,
      firstDifference(
        found.map((entry) => entry.value),
        flights,
      ),
    );
  }
  checks.none(`${when}: sequences are dense in each segment`, gap);
  checks.none(`${when}: each segment equals the source, flight by flight`, difference);
}

function prefixed(origin: string, problem: string | undefined): string | undefined {
  return problem && `${origin}: ${problem}`;
}

function timeDisorder(entries: readonly Entry<Flight>[]): string | undefined {
  for (let i = 1; i < entries.length; i++) {
    const [before, after] = [entries[i - 1], entries[i]];
    const sameTransaction = after.transactionNumber === before.transactionNumber;
    const later = after.commitTimeMicros > before.commitTimeMicros;
    if (sameTransaction ? after.commitTimeMicros !== before.commitTimeMicros : !later) {
      return `offset ${after.offset} was committed at ${after.commitTimeMicros}, after ${before.commitTimeMicros}`;
    }
  }
  return undefined;
}
