import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../memory-budget.ts";
import { EncodedBatch } from "../rows/batch.ts";
import { LiveFeed, LiveHub } from "./live-hub.ts";

function batch(sequence: number, records: Uint8Array, segment = "s"): EncodedBatch {
  const header = {
    segment,
    firstSequence: sequence,
    firstOffset: sequence,
    count: 1,
    commitTimeMicros: 1,
    transactionId: "",
    transactionNumber: 1,
  };
  return new EncodedBatch("space", header, records);
}

describe("the budget of all rings", () => {
  it("drops the oldest batches of the ring with the oldest last write", () => {
    const budget = new MemoryBudget(5_000);
    const [cold, warm] = [new LiveFeed("sequence", budget), new LiveFeed("sequence", budget)];
    for (let i = 1; i <= 3; i++) cold.publish(batch(i, new Uint8Array(1_000)));
    warm.publish(batch(1, new Uint8Array(1_000)));
    expect(cold.read(1, 1)).toHaveLength(1);
    warm.publish(batch(2, new Uint8Array(1_000)));
    expect(cold.read(1, 1)).toBeUndefined();
    expect(cold.read(3, 1)).toHaveLength(1);
    for (let i = 3; i <= 9; i++) warm.publish(batch(i, new Uint8Array(1_000)));
    expect(cold.read(3, 1)).toBeUndefined();
    expect(warm.read(9, 1)).toHaveLength(1);
    expect(budget.bytes).toBe(cold.bytes + warm.bytes);
    expect(budget.bytes).toBeLessThanOrEqual(5_000);
    // An emptied ring continues with the next batch.
    cold.publish(batch(4, new Uint8Array(10)));
    expect(cold.read(4, 1)).toHaveLength(1);
  });

  it("regains the bytes of rings without followers", () => {
    const budget = new MemoryBudget(1_000_000);
    const feed = new LiveFeed("sequence", budget);
    feed.publish(batch(1, new Uint8Array(1_000)));
    expect(budget.bytes).toBeGreaterThan(1_000);
    feed.reset();
    expect(budget.bytes).toBe(0);
  });
});

describe("a batch in a ring", () => {
  it("keeps none of the rest of its request or row (H3)", () => {
    const request = new Uint8Array(1024 * 1024);
    const hub = new LiveHub();
    using space = hub.subscribeToSpace();
    using segment = hub.subscribeToSegment("s");
    hub.publish([batch(1, request.subarray(0, 100))]);
    for (const { feed } of [space, segment]) {
      const [kept] = feed.read(1, 1) ?? [];
      expect(kept.count).toBe(1);
      for (const piece of kept.pieces) expect(piece.buffer.byteLength).toBeLessThan(1_000);
      expect(kept.bytes.byteLength).toBe(kept.byteLength);
    }
    // A batch that is a large part of its buffer is not copied.
    const large = batch(2, request);
    hub.publish([large]);
    expect(space.feed.read(2, 1)).toEqual([large]);
  });
});
