import { create, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { bytes } from "../codec.ts";
import type { EncodedPage } from "../transport/peer.ts";
import { loadSegment } from "./single-page.ts";

const batch = (firstSequence: number, count: number) =>
  toBinary(
    EntryBatchSchema,
    create(EntryBatchSchema, {
      space: "s",
      segment: "a",
      firstSequence: BigInt(firstSequence),
      firstOffset: BigInt(firstSequence),
      commitTime: { seconds: 1n },
      transaction: { id: "t", number: 1n },
      records: Array.from({ length: count }, () => ({})),
    }),
  );

/** A server that gives these pages for any request. No real server has a gap. */
function load(pages: EncodedPage<number>[], firstRetained: number) {
  const source = {
    storeId: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    space: "s",
    segment: "a",
    firstRetained: async () => firstRetained,
    readSegment: async () => pages.shift() as EncodedPage<number>,
  };
  return loadSegment(source, bytes, { retry: { maxAttempts: 1 }, onRetry: undefined }, {});
}

describe("a load (G11)", () => {
  it.each<[string, EncodedPage<number>[]]>([
    ["inside of a page", [{ batches: [batch(1, 2), batch(4, 1)], next: 5, caughtUp: true }]],
    [
      "between pages",
      [
        { batches: [batch(1, 2)], next: 3, caughtUp: false },
        { batches: [batch(4, 1)], next: 5, caughtUp: true },
      ],
    ],
    ["behind a page", [{ batches: [batch(1, 2)], next: 5, caughtUp: true }]],
  ])("fails with DATA_LOSS for a gap %s", async (_, pages) => {
    await expect(load(pages, 1)).rejects.toMatchObject({ reason: "DATA_LOSS" });
  });

  it("leaves out what was trimmed meanwhile", async () => {
    const pages = [
      { batches: [batch(1, 2)], next: 3, caughtUp: false },
      { batches: [batch(4, 1)], next: 5, caughtUp: true },
    ];
    const { entries, lastSequence } = await load(pages, 4);
    expect(entries.map(({ sequence }) => sequence)).toEqual([4]);
    expect(lastSequence).toBe(4);
  });
});
