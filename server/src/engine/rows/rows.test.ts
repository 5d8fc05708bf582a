import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConsumeSegmentResponseSchema, EntryBatchSchema, ErrorReason } from "@streamkit/protocol";
import { SegmentBlockSchema, SegmentHeadSchema, SpaceBlockSchema, SpaceHeadSchema } from "@streamkit/protocol/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { name, position } from "../../../test/arbitraries.ts";
import { EncodedBatch } from "./batch.ts";
import {
  decodeSegmentHead,
  decodeSpaceHead,
  encodeSegmentHead,
  encodeSpaceHead,
  NEW_SEGMENT,
  NEW_SPACE,
} from "./heads.ts";
import { frameRow, unframeRow } from "./row-frame.ts";
import {
  decodeCommittedTransaction,
  decodeSegmentBlock,
  decodeSpaceBlock,
  encodeCommittedTransaction,
  encodePendingReclaim,
  encodeSegmentBlock,
  encodeSpaceBlock,
  encodeSpaceRefs,
} from "./rows.ts";

const join = (pieces: Uint8Array[]) => Buffer.concat(pieces);
const hexOf = (encoded: EncodedBatch) => Buffer.from(encoded.bytes).toString("hex");
/** Returns the message inside a row in hex. */
const inner = (pieces: Uint8Array[]) => Buffer.from(unframeRow(join(pieces), "row")).toString("hex");

function batch(segment: string, firstSequence: number, firstOffset: number, count: number): EncodedBatch {
  const records = toBinary(
    EntryBatchSchema,
    create(EntryBatchSchema, { records: Array.from({ length: count }, (_, i) => ({ payload: Buffer.of(i) })) }),
  );
  const transactionId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  const header = {
    segment,
    firstSequence,
    firstOffset,
    count,
    commitTimeMicros: 1_700_000_000_000_001,
    transactionId,
    transactionNumber: 9,
  };
  return new EncodedBatch("space", header, records);
}

const spaceHead = fc.record({
  lastOffset: position,
  lastNumber: position,
  lastTimeMicros: position,
  segmentCount: fc.nat(),
  firstOffset: position,
  deletedOffset: fc.nat(),
  changes: fc.nat(),
  incarnation: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

const segmentHead = fc.record({
  firstSequence: position,
  lastSequence: fc.nat(),
  lastOffset: fc.nat(),
  lastTimeMicros: position,
  firstTimeMicros: position,
  fencingToken: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  unlisted: fc.boolean(),
  reclaimedSequence: fc.nat(),
});

describe("stored rows", () => {
  it("are read back unchanged", () => {
    fc.assert(
      fc.property(spaceHead, segmentHead, name, (space, segment, n) => {
        expect(decodeSpaceHead(join(encodeSpaceHead(space)), "s")).toEqual(space);
        expect(decodeSegmentHead(join(encodeSegmentHead(segment)), "s")).toEqual(segment);
        const range = { segment: n, firstSequence: space.lastOffset, lastSequence: space.lastNumber, firstOffset: 3 };
        const { lastNumber: number, lastTimeMicros: commitTimeMicros, incarnation: commitId } = space;
        const transaction = { number, commitTimeMicros, ranges: [range, range], commitId };
        expect(decodeCommittedTransaction(join(encodeCommittedTransaction(transaction)))).toEqual(transaction);
      }),
    );
    expect(decodeSpaceHead(join(encodeSpaceHead(NEW_SPACE)), "s")).toEqual(NEW_SPACE);
    expect(decodeSegmentHead(join(encodeSegmentHead(NEW_SEGMENT)), "s")).toEqual(NEW_SEGMENT);
  });

  it("of heads are the messages of rows.proto", () => {
    fc.assert(
      fc.property(spaceHead, segmentHead, (space, segment) => {
        const spaceBytes = unframeRow(join(encodeSpaceHead(space)), "row");
        const spaceMessage = fromBinary(SpaceHeadSchema, spaceBytes);
        expect(Buffer.from(toBinary(SpaceHeadSchema, spaceMessage))).toEqual(Buffer.from(spaceBytes));
        expect(spaceMessage).toMatchObject({ lastOffset: BigInt(space.lastOffset), incarnation: space.incarnation });
        const segmentBytes = unframeRow(join(encodeSegmentHead(segment)), "row");
        const segmentMessage = fromBinary(SegmentHeadSchema, segmentBytes);
        expect(Buffer.from(toBinary(SegmentHeadSchema, segmentMessage))).toEqual(Buffer.from(segmentBytes));
        const { fencingToken, unlisted } = segment;
        expect(segmentMessage).toMatchObject({
          lastTime: BigInt(segment.lastTimeMicros),
          fencingToken,
          unlisted,
        });
      }),
    );
  });

  it("have the bytes of earlier versions", () => {
    const head = {
      ...NEW_SPACE,
      ...{ lastOffset: 300, lastNumber: 2, lastTimeMicros: 3, segmentCount: 4, firstOffset: 5, deletedOffset: 6 },
    };
    expect(inner(encodeSpaceHead(head))).toBe("08ac02100218032004280530" + "06");
    const newer = { ...head, changes: 7, incarnation: 0x0102030405060708n };
    expect(inner(encodeSpaceHead(newer))).toBe("08ac0210021803200428053006" + "3807" + "410807060504030201");
    const segment = {
      ...NEW_SEGMENT,
      lastSequence: 2,
      lastOffset: 3,
      lastTimeMicros: 4,
      firstTimeMicros: 5,
      fencingToken: 6n,
      reclaimedSequence: 7,
    };
    expect(inner(encodeSegmentHead(segment))).toBe("08011002180320042805300638014007");
    expect(inner(encodePendingReclaim(300))).toBe("08ac02");
    const ranges = [{ segment: "a", firstSequence: 1, lastSequence: 2, firstOffset: 3 }];
    const transaction = { number: 1, commitTimeMicros: 2, ranges };
    const encoded = "080110021a090a0161100118022003";
    expect(inner(encodeCommittedTransaction({ ...transaction, commitId: 0n }))).toBe(encoded);
    expect(inner(encodeCommittedTransaction({ ...transaction, commitId: 3n }))).toBe(`${encoded}210300000000000000`);
    expect(inner(encodeSpaceBlock(7, [], 0n, "none"))).toBe("110700000000000000");
    const refs = [{ segment: "a", lastSequence: 2, firstOffset: 7, count: 2, bytes: 0 }];
    expect(inner(encodeSpaceRefs(7, refs, 0n))).toBe("1107000000000000001a090a0161100218072002");
    expect(inner(encodeSpaceRefs(7, refs, 2n))).toBe(
      "110700000000000000" + "210200000000000000" + "1a090a0161100218072002",
    );
    expect(inner(encodeSpaceRefs(7, [{ ...refs[0], bytes: 300 }], 0n))).toBe(
      "110700000000000000" + "1a0c0a016110021807200228ac02",
    );
    const bytes = Buffer.from(batch("a", 1, 7, 1).bytes).toString("hex");
    expect(inner(encodeSegmentBlock([batch("a", 1, 7, 1)], "none"))).toBe(
      `1101000000000000000a${(bytes.length / 2).toString(16)}${bytes}`,
    );
  });

  it("of blocks are the messages of rows.proto", () => {
    fc.assert(
      fc.property(
        name,
        position,
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("none", "zstd"),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (n, first, counts, codec, commitId) => {
          let at = first;
          const batches = counts.map((count) => {
            const made = batch(n, at, at + 5, count);
            at += count;
            return made;
          });
          const value = join(encodeSegmentBlock(batches, codec as "none"));
          const block = decodeSegmentBlock(value, n);
          expect(block.firstSequence).toBe(first);
          expect(block.batches.map(hexOf)).toEqual(batches.map(hexOf));
          const message = fromBinary(SegmentBlockSchema, unframeRow(value, "row"));
          expect(message.firstSequence).toBe(BigInt(first));
          expect(message.batches.map((b) => b.firstSequence)).toEqual(batches.map((b) => BigInt(b.firstSequence)));
          const stored = join(encodeSpaceBlock(first, batches, commitId, codec as "none"));
          expect(fromBinary(SpaceBlockSchema, unframeRow(stored, "row"))).toMatchObject({ commitId });
          const space = decodeSpaceBlock(stored, "space");
          expect(space).toMatchObject({ firstOffset: first, refs: [], commitId });
          expect(space.batches.map((read) => read.commitId)).toEqual(batches.map(() => commitId));
          // rows.proto promises that the batches of a row go onto the wire unchanged.
          expect(fromBinary(ConsumeSegmentResponseSchema, unframeRow(value, "row").subarray(9)).batches).toHaveLength(
            counts.length,
          );
        },
      ),
    );
  });

  it("of references are the messages of rows.proto", () => {
    const ref = fc.record({
      segment: name,
      lastSequence: position,
      firstOffset: position,
      count: position,
      bytes: position,
    });
    fc.assert(
      fc.property(position, fc.array(ref, { minLength: 1, maxLength: 3 }), (first, refs) => {
        const value = join(encodeSpaceRefs(first, refs, 1n));
        expect(decodeSpaceBlock(value, "space")).toEqual({ firstOffset: first, batches: [], refs, commitId: 1n });
        const message = fromBinary(SpaceBlockSchema, unframeRow(value, "row"));
        expect(message.refs.map((r) => [r.segment, r.lastSequence])).toEqual(
          refs.map((r) => [r.segment, BigInt(r.lastSequence)]),
        );
        expect(message.refs.map((r) => r.bytes)).toEqual(refs.map((r) => BigInt(r.bytes)));
      }),
    );
  });

  it("with a good checksum and a bad message are DATA_LOSS (G11)", () => {
    const lost = expect.objectContaining({ reason: ErrorReason.DATA_LOSS });
    for (const bad of ["0a", "0aff", "0a0101", "10", "11ff", "1a05", "07"]) {
      const value = join(frameRow([Buffer.from(bad, "hex")]));
      expect(() => decodeSegmentBlock(value, "s"), bad).toThrow(lost);
      expect(() => decodeSpaceBlock(value, "s"), bad).toThrow(lost);
    }
    for (const bad of ["08", "0aff", "ff"]) {
      const value = join(frameRow([Buffer.from(bad, "hex")]));
      for (const decode of [decodeSpaceHead, decodeSegmentHead]) expect(() => decode(value, "s"), bad).toThrow(lost);
      expect(() => decodeCommittedTransaction(value), bad).toThrow(lost);
    }
  });
});
