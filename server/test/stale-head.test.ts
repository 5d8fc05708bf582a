import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { memoryStorage } from "../src/index.ts";
import { makeInstance } from "./instance.ts";

/**
 * Cause: an instance that had not seen the first append of a segment evaluated its deletion on an old head without
 * segments. The count of -1 could not be encoded, so the deletion failed with INTERNAL instead of meeting a conflict.
 */
it("a segment that another instance has just written can be deleted", async () => {
  const storage = memoryStorage({ shared: true });
  const storeId = randomUUID();
  await using a = makeInstance(storage);
  await using b = makeInstance(storage);
  const append = (instance: typeof a, segment: string) =>
    instance.stream.append({ storeId, space: "s", appends: [{ segment, records: [{}] }] });
  await append(a, "first");
  await b.stream.deleteSegment({ storeId, space: "s", segment: "first" });
  await append(a, "second");
  await b.stream.deleteSegment({ storeId, space: "s", segment: "second" });
  const { status } = await a.stream.getSpaceStatus({ storeId, space: "s" });
  expect(status?.segmentCount).toBe(0n);
  expect((await a.stream.listSegments({ storeId, space: "s" })).segments).toEqual([]);
  expect([...a.failures, ...b.failures]).toEqual([]);
});
