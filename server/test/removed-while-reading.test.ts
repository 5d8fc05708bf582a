import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../src/index.ts";
import { makeInstance } from "./instance.ts";

/**
 * Cause: a scan of LevelDB sees the store as of the start of the scan. A long read still saw entries whose rows were
 * removed after a trim during the read, when nothing marked them as trimmed any more.
 */
describe("entries that are removed during a long read", () => {
  const PAGES = 8;

  async function fill(segments: readonly string[]) {
    const instance = makeInstance(memoryStorage());
    const storeId = randomUUID();
    const payload = new Uint8Array(100_000);
    // A page has half a megabyte, so the read below is in the middle of its scan when its first response arrives.
    for (let i = 0; i < PAGES * 5; i++) {
      await instance.stream.append({
        storeId,
        space: "s",
        appends: [{ segment: segments[i % segments.length], records: [{ payload }] }],
      });
    }
    return { instance, storeId };
  }

  it("do not reappear in a segment", async () => {
    const { instance, storeId } = await fill(["a"]);
    await using _ = instance;
    const sequences: number[] = [];
    for await (const response of instance.stream.consumeSegment({ storeId, space: "s", segment: "a" })) {
      if (sequences.length === 0) {
        await instance.stream.trimSegment({ storeId, space: "s", segment: "a", beforeSequence: 40n });
        await instance.settle(storeId);
      }
      sequences.push(...response.batches.map((batch) => Number(batch.firstSequence)));
    }
    // Entries under way at the time of the trim may arrive: at most two pages.
    expect(sequences.length).toBeLessThan(15);
    expect(sequences.at(-1)).toBe(40);
    expect(instance.failures).toEqual([]);
  });

  it("do not reappear in a space", async () => {
    const { instance, storeId } = await fill(["a", "b"]);
    await using _ = instance;
    const after: string[] = [];
    let first = true;
    for await (const response of instance.stream.consumeSpace({ storeId, space: "s" })) {
      if (first) {
        await instance.stream.deleteSegment({ storeId, space: "s", segment: "a" });
        await instance.settle(storeId);
        first = false;
      }
      after.push(...response.batches.map((batch) => batch.segment));
    }
    expect(after.filter((segment) => segment === "b")).toHaveLength(20);
    expect(after.filter((segment) => segment === "a").length).toBeLessThan(9);
    expect(instance.failures).toEqual([]);
  });
});
