import { createStreamkitClient } from "@streamkit/client";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { payloads } from "../../tools/payloads.ts";
import { countingStorage, type PortCounts, zeroCounts } from "./counting-storage.ts";
import { difference } from "./difference.ts";
import { readAll } from "./read-all.ts";
import { steadyClock } from "./steady-clock.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** Costs of one layout of the records: of writing, of reading by segment, of reading by space. */
export interface PortCosts {
  readonly records: number;
  readonly perAppend: number;
  readonly append: PortCounts;
  readonly readSegment: PortCounts;
  readonly readSpace: PortCounts;
}

/**
 * Counts the calls of the Partition port over the memory backend, after one append that warmed the caches. Appends
 * follow one after the other, so that no two share a commit: the worst case.
 */
export async function measurePortCosts(records: number, perAppend: number): Promise<PortCosts> {
  const counts = zeroCounts();
  const streamkit = createStreamkit({ storage: countingStorage(memoryStorage(), counts), clock: steadyClock() });
  try {
    const client = createStreamkitClient({ transport: streamkit.transport() });
    const space = client.store(STORE).space("bench");
    const segment = space.segment("bench");
    await segment.append(payloads(1));
    const during = async (work: () => Promise<void>) => {
      const before = { ...counts };
      await work();
      return difference(counts, before);
    };
    const append = await during(async () => {
      for (let at = 0; at < records; at += perAppend) await segment.append(payloads(perAppend, at));
    });
    return {
      records,
      perAppend,
      append,
      readSegment: await during(() => readAll(segment.consume({ minSequence: 2 }), records)),
      readSpace: await during(() => readAll(space.consume({ minOffset: 2 }), records)),
    };
  } finally {
    await streamkit.close();
  }
}
