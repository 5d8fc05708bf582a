import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ChunkList } from "./chunk-list.ts";

const KIB = 1_024;

it("returns the chunks in order, however they are cut", () => {
  const sizes = fc.array(fc.oneof(fc.nat(10), fc.nat(5_000)), { maxLength: 40 });
  fc.assert(
    fc.property(sizes, fc.nat(40), fc.boolean(), (cuts, joinAt, emptyAt) => {
      const list = new ChunkList();
      let expected = Buffer.alloc(0);
      for (const [index, size] of cuts.entries()) {
        const read = Buffer.alloc(size % 2 === 0 ? size : 64 * KIB, index + 1);
        list.add(read.subarray(0, size));
        expected = Buffer.concat([expected, read.subarray(0, size)]);
        expect(list.length).toBe(expected.length);
        if (index !== joinAt) continue;
        expect(Buffer.from(emptyAt ? list.take() : list.join())).toEqual(expected);
        if (emptyAt) expected = Buffer.alloc(0);
      }
      expect(Buffer.from(list.take())).toEqual(expected);
      expect(list.length).toBe(0);
    }),
  );
});

it.each([1, 100, 2_000])("keeps nothing of reads of which %d bytes belong to the message (H1)", (size) => {
  const list = new ChunkList();
  const start = keptBytes();
  for (let i = 0; i < 2_000; i++) list.add(Buffer.alloc(64 * KIB, 1).subarray(0, size));
  expect(keptBytes() - start).toBeLessThan(2 * list.length + 128 * KIB);
});

it("copies little of a large message, whose chunks share their reads", () => {
  const list = new ChunkList();
  const start = keptBytes();
  const reads = Array.from({ length: 16 }, () => Buffer.alloc(64 * KIB, 1));
  for (const read of reads) for (let at = 0; at < 4; at++) list.add(read.subarray(at * 16 * KIB, (at + 1) * 16 * KIB));
  // The reads themselves are 1 MiB.
  expect(keptBytes() - start).toBeLessThan((1_024 + 64) * KIB);
  expect(list.length).toBe(1_024 * KIB);
});

it("keeps nothing of many reads in turn, of which a part belongs to the message (H1)", () => {
  const list = new ChunkList();
  const start = keptBytes();
  for (let i = 0; i < 500; i++) {
    const read = Buffer.alloc(64 * KIB, 1);
    for (let at = 0; at < 5; at++) list.add(read.subarray(at * 8 * KIB, at * 8 * KIB + 2 * KIB));
  }
  expect(keptBytes() - start).toBeLessThan(2 * list.length + 128 * KIB);
});

it("keeps few objects for many small chunks, also those with buffers of their own (H1)", () => {
  const list = new ChunkList();
  const start = keptHeapBytes();
  for (let i = 0; i < 200_000; i++) list.add(new Uint8Array(1));
  expect(keptHeapBytes() - start).toBeLessThan(4_096 * KIB);
  expect(list.length).toBe(200_000);
});

function collect(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) gc();
}

/** Bytes in buffers that are still in use. */
function keptBytes(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

/** Bytes of objects that are still in use. */
function keptHeapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
