/** The order of a merged read where commit times do not decide (MRG-001). */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { memoryStorage } from "../src/index.ts";
import { makeInstance } from "./instance.ts";

// Names whose order in bytes differs from the order of writing, of length, and of the code units of UTF-16.
const NAMES = ["b", "a", "ab", "a/b", "\u{1f600}", "\uffee"];
const IN_ORDER = ["a", "a/b", "ab", "b", "\uffee", "\u{1f600}"];

test.each([NAMES, [...NAMES].reverse()])(
  "entries with equal times arrive by the names of their spaces",
  async (...names) => {
    // The clock stands still: the first commits of all spaces have one time, the second commits another one.
    await using instance = makeInstance(memoryStorage(), { clock: () => 1_000_000 });
    const storeId = randomUUID();
    for (const round of [1, 2]) {
      for (const space of names) {
        const record = { payload: Buffer.from(`${round}`) };
        await instance.stream.append({ storeId, space, appends: [{ segment: "s", records: [record, record] }] });
      }
    }
    const spaces = Object.fromEntries(names.map((name) => [name, 0n]));
    const seen: string[] = [];
    for await (const { batches } of instance.stream.consume({ storeId, spaces })) {
      for (const { space, records } of batches)
        for (const { payload } of records) seen.push(`${Buffer.from(payload)}${space}`);
    }
    const expected = ["1", "2"].flatMap((round) => IN_ORDER.flatMap((name) => [`${round}${name}`, `${round}${name}`]));
    expect(seen).toEqual(expected);
  },
);
