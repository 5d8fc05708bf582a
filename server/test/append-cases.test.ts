import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { segmentHeadKey, spacePartition } from "../src/engine/rows/key-space.ts";
import { memoryStorage } from "../src/index.ts";
import { makeInstance } from "./instance.ts";

describe("a group of appends", () => {
  it("refuses only the append whose segment is damaged", async () => {
    const storage = memoryStorage();
    const storeId = randomUUID();
    const append = (instance: ReturnType<typeof makeInstance>, segment: string) =>
      instance.stream.append({ storeId, space: "s", appends: [{ segment, records: [{}] }] });
    {
      await using writer = makeInstance(storage);
      await Promise.all([append(writer, "damaged"), append(writer, "sound")]);
    }
    const store = await storage.open(storeId, { create: false });
    const puts = [{ key: segmentHeadKey("damaged"), value: [Uint8Array.of(1, 0, 0, 0, 0, 0, 7)] }];
    await store?.commit(spacePartition("s"), { conditions: [], puts, deletes: [] });
    await store?.close();

    await using instance = makeInstance(storage);
    // Submitted in one turn, so that both share a commit.
    const [damaged, sound] = await Promise.allSettled([append(instance, "damaged"), append(instance, "sound")]);
    expect(damaged.status === "rejected" && ConnectError.from(damaged.reason).code).toBe(Code.DataLoss);
    expect(sound.status === "fulfilled" && sound.value.ranges[0].lastSequence).toBe(2n);
  });
});

describe("a retry that the server recognises by its expectation", () => {
  it("has the ranges of the first attempt, even after a trim of some of them", async () => {
    const storage = memoryStorage();
    const storeId = randomUUID();
    const records = [{}, {}, {}];
    const request = {
      storeId,
      space: "s",
      transactionId: randomUUID(),
      appends: [
        { segment: "free", records },
        { segment: "expecting", expectedLastSequence: 0n, records },
        { segment: "after", records },
      ],
    };
    const first = await (async () => {
      await using instance = makeInstance(storage);
      await instance.stream.append({ storeId, space: "s", appends: [{ segment: "free", records }] });
      return await instance.stream.append(request);
    })();
    // A new instance has no results in memory.
    await using instance = makeInstance(storage);
    await instance.stream.trimSegment({ storeId, space: "s", segment: "free", beforeSequence: 6n });
    await instance.stream.trimSegment({ storeId, space: "s", segment: "after", beforeSequence: 2n });
    await instance.settle(storeId);
    const again = await instance.stream.append(request);
    expect(again.deduplicated).toBe(true);
    expect(again.ranges).toEqual(first.ranges);
    expect(again.commitTime).toEqual(first.commitTime);
  });
});

describe("a transaction whose labels make its encoding large", () => {
  it("is refused at the same size on every backend, before anything is written", async () => {
    await using instance = makeInstance(memoryStorage());
    const storeId = randomUUID();
    const labels = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`.padStart(6, "0"), ""]));
    // A label with a name of 6 bytes counts 6 bytes and takes 12. So 65,536 labels count 393,216 bytes, and take
    // 786,432 bytes besides their record.
    const append = (records: { payload: Uint8Array; metadata: Record<string, string> }[]) =>
      instance.stream.append({ storeId, space: "s", appends: [{ segment: "a", records }] });
    const head = 1 + 3 + 1 + 3;
    const fits = 1_179_648 - 65_536 * 12 - head;
    const refused = await append([{ payload: new Uint8Array(fits + 1), metadata: labels(65_536) }]).then(
      () => undefined,
      (error) => ConnectError.from(error),
    );
    expect(refused?.code).toBe(Code.InvalidArgument);
    expect(refused?.rawMessage).toContain("1179649 encoded bytes");
    const { ranges } = await append([{ payload: new Uint8Array(fits), metadata: labels(65_536) }]);
    expect(ranges[0].firstSequence).toBe(1n);
  });
});

describe("the status of a space", () => {
  it("has the offset of the first entry right after a trim, and after the removal of its rows (STA-007)", async () => {
    await using instance = makeInstance(memoryStorage());
    const storeId = randomUUID();
    const firstOffset = async () => (await instance.stream.getSpaceStatus({ storeId, space: "s" })).status?.firstOffset;
    // One transaction, so that both segments share a row of the space log.
    await instance.stream.append({
      storeId,
      space: "s",
      appends: ["a", "b"].map((segment) => ({ segment, records: [{}, {}] })),
    });
    const trim = (segment: string) => instance.stream.trimSegment({ storeId, space: "s", segment, beforeSequence: 3n });
    await trim("a");
    expect(await firstOffset()).toBe(3n);
    await instance.settle(storeId);
    expect(await firstOffset()).toBe(3n);
    await trim("b");
    expect(await firstOffset()).toBe(5n);
    await instance.settle(storeId);
    expect(await firstOffset()).toBe(5n);
  });
});
