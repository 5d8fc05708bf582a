/**
 * Stored rows with random damage. Readers get the original content or DATA_LOSS, and nothing else (G11). FUZZ_SEED and
 * FUZZ_RUNS work as in the other fuzzers.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { memoryStorage } from "../../src/storage/memory/index.ts";
import { copyWith, fill, readAll, rowsOf, withServer } from "../damaged-rows.ts";
import { withLimits } from "../instance.ts";
import { mutate, Random } from "./random.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 200);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

it.each([Number.POSITIVE_INFINITY, 400])(
  "rows with references from %d bytes, one of them damaged at random",
  { timeout: 60_000 + RUNS * 200 },
  async (threshold) => {
    const storage = withLimits(memoryStorage(), { referenceThresholdBytes: threshold });
    await withServer(storage, fill);
    const rows = await rowsOf(storage);
    const intact = await withServer(await copyWith(rows, threshold, -1, (value) => value), readAll);
    let noticed = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = SEED * 1_000_003 + run;
      const random = new Random(seed);
      const damaged = await copyWith(rows, threshold, random.below(rows.length), (value) => mutate(random, value));
      const outcome = await withServer(damaged, (client) => readAll(client).catch((error) => ConnectError.from(error)));
      if (outcome instanceof ConnectError) {
        noticed++;
        expect(outcome.code, `seed ${seed}: ${outcome}`).toBe(Code.DataLoss);
      } else {
        expect(outcome, `seed ${seed}`).toEqual(intact);
      }
    }
    // A quarter of the mutations change nothing, and reads do not need some of the rows.
    expect(noticed).toBeGreaterThan(RUNS / 5);
  },
);
