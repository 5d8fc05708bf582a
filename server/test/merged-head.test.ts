/** The position that a read of several spaces reports. */
import { describe, expect, it } from "vitest";
import { ALL } from "../src/engine/read/consume.ts";
import { consumeMerged } from "../src/engine/read/merge.ts";
import { SpaceSource } from "../src/engine/space/sources.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { makeInstance } from "./instance.ts";

const payload = (text: string) => ({ payload: Buffer.from(text) });

describe("caught_up", () => {
  it("is not reported for one of several spaces while another has new entries (MRG-010)", async () => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage());
    using lease = await instance.openStores.acquire(storeId);
    const end = new AbortController();
    const inputs = ["a", "b"].map((name) => ({
      space: name,
      source: new SpaceSource(lease.store.space(name)),
      min: 1,
    }));
    // Read directly from the engine: a transport may take a response before the last append is acknowledged.
    const pages = consumeMerged(inputs, { ...ALL, follow: true }, end.signal);
    await pages.next();
    const received = { a: 0, b: 0 };
    for (let round = 1; round <= 20; round++) {
      const appends = (["a", "b", "a", "b"] as const).map((name) =>
        instance.stream.append({ storeId, space: name, appends: [{ segment: "s", records: [payload("x")] }] }),
      );
      await Promise.all(appends);
      const behind = () => received.a < 2 * round || received.b < 2 * round;
      while (behind()) {
        const { value } = await pages.next();
        for (const batch of value?.batches ?? []) received[batch.space as "a" | "b"] = batch.lastOffset;
        expect(value?.caughtUp).toBe(!behind());
      }
    }
    await pages.return();
  });
});
