/** No response exceeds 3 MiB, so that gRPC clients, which by default read up to 4 MiB, can read everything (C2). */
import { randomBytes, randomUUID } from "node:crypto";
import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  type ConsumeRequestSchema,
  ConsumeResponseSchema,
  type ConsumeSegmentRequestSchema,
  ConsumeSegmentResponseSchema,
  type ConsumeSpaceRequestSchema,
  ConsumeSpaceResponseSchema,
  type EntryBatch,
  LIMITS,
} from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { type Instance, type InstanceOptions, makeInstance, withLimits } from "./instance.ts";

const MIB = 1024 * 1024;
/** Envelopes, headers and trailers come on top of a message. */
const MOST = LIMITS.maxResponseBytes - 1_024;
const TRANSACTIONS = 14;
const space = "large";

interface Setting extends InstanceOptions {
  readonly storage: () => Storage;
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  "references from 16 KiB on": { storage: memoryStorage },
  "everything in both views": {
    storage: () => withLimits(memoryStorage(), { referenceThresholdBytes: Number.POSITIVE_INFINITY }),
  },
  // Small rows become large batches.
  "compressed rows": { storage: memoryStorage, compression: "zstd" },
};

describe.each(Object.entries(SETTINGS))("responses with %s", (_, { storage, ...options }) => {
  const storeId = randomUUID();
  let instance: Instance;
  let expected: string[];

  beforeAll(async () => {
    instance = makeInstance(storage(), options);
    // Random bytes would not compress. The first bytes distinguish the entries.
    const record = (bytes: number) => {
      const payload = Buffer.alloc(bytes, "x");
      payload.set(randomBytes(Math.min(8, bytes)));
      return { payload };
    };
    const appends = Array.from({ length: TRANSACTIONS }, (_, i) => {
      if (i % 3 === 1) return [{ segment: "b", records: Array.from({ length: 1_000 }, () => record(1_048)) }];
      if (i % 3 === 2) {
        return Array.from({ length: 32 }, (_, s) => ({ segment: `a${s}`, records: [record(MIB / 32)] }));
      }
      return [{ segment: "a", records: [record(MIB)] }];
    });
    // At the same time, so that several appends share a commit.
    await Promise.all(appends.map((each) => instance.stream.append({ storeId, space, appends: each })));
    await Promise.all(
      Array.from({ length: 40 }, () =>
        instance.stream.append({ storeId, space, appends: [{ segment: "c", records: [record(50_000)] }] }),
      ),
    );
    expected = offsetsOf(await all(ConsumeSpaceResponseSchema, instance.stream.consumeSpace({ storeId, space })));
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  const readSpace = (request: MessageInitShape<typeof ConsumeSpaceRequestSchema>, most?: number) =>
    all(ConsumeSpaceResponseSchema, instance.stream.consumeSpace({ storeId, space, ...request }), most);

  it("are small when a space is read, and have every entry", async () => {
    const total = 5 + 5 * 1_000 + 4 * 32 + 40;
    expect(expected).toEqual(Array.from({ length: total }, (_, i) => `${space}/${i + 1}`));
  });

  it("are small with bounds, prefix, last and follow", async () => {
    expect(offsetsOf(await readSpace({ last: 5_000n }))).toEqual(expected.slice(-5_000));
    expect(offsetsOf(await readSpace({ minOffset: 500n, limit: 4_000n }))).toEqual(expected.slice(499, 4_499));
    expect(offsetsOf(await readSpace({ follow: true }, expected.length))).toEqual(expected);
    const prefixed = await readSpace({ segmentPrefix: "b" });
    expect(prefixed.reduce((count, batch) => count + batch.records.length, 0)).toBe(5_000);
  });

  it.each(["a", "b", "c"])("are small when segment %s is read", async (segment) => {
    const request: MessageInitShape<typeof ConsumeSegmentRequestSchema> = { storeId, space, segment };
    const batches = await all(ConsumeSegmentResponseSchema, instance.stream.consumeSegment(request));
    const count = { a: 5, b: 5_000, c: 40 }[segment];
    const sequences = batches.flatMap((batch) => batch.records.map((_, i) => Number(batch.firstSequence) + i));
    expect(sequences).toEqual(Array.from({ length: count as number }, (_, i) => i + 1));
  });

  it("are small when spaces are merged", async () => {
    const read = (request: MessageInitShape<typeof ConsumeRequestSchema>, most?: number) =>
      all(ConsumeResponseSchema, instance.stream.consume({ storeId, ...request }), most);
    expect(offsetsOf(await read({ spaces: { [space]: 0n, none: 0n } }))).toEqual(expected);
    expect(offsetsOf(await read({ spaces: { [space]: 0n }, follow: true }, expected.length))).toEqual(expected);
  });

  it("are small when a follower gets several simultaneous commits", async () => {
    const live = `${space}-live`;
    const followers = [
      all(ConsumeSpaceResponseSchema, instance.stream.consumeSpace({ storeId, space: live, follow: true }), 20),
      all(ConsumeResponseSchema, instance.stream.consume({ storeId, spaces: { [live]: 0n }, follow: true }), 20),
    ];
    const payload = Buffer.alloc(LIMITS.maxRecordBytes);
    await Promise.all(
      Array.from({ length: 20 }, () =>
        instance.stream.append({ storeId, space: live, appends: [{ segment: "s", records: [{ payload }] }] }),
      ),
    );
    for (const follower of followers) expect(offsetsOf(await follower)).toHaveLength(20);
  });
});

/** Reads a stream to its end, or to `most` entries. Measures every response, in binary and as JSON. */
async function all<S extends DescMessage>(
  schema: S,
  responses: AsyncIterable<{ batches: readonly EntryBatch[] }>,
  most = Number.POSITIVE_INFINITY,
): Promise<EntryBatch[]> {
  const batches: EntryBatch[] = [];
  let entries = 0;
  for await (const response of responses) {
    const message = create(schema, response as unknown as MessageInitShape<S>);
    expect(toBinary(schema, message).length).toBeLessThanOrEqual(MOST);
    expect(jsonLength(schema, response)).toBeLessThanOrEqual(MOST);
    batches.push(...response.batches);
    for (const batch of response.batches) entries += batch.records.length;
    if (entries >= most) break;
  }
  return batches;
}

/** Length as JSON. Payloads count by the length of their base64 form, since the library takes long to write it. */
function jsonLength(schema: DescMessage, response: { batches: readonly EntryBatch[] }): number {
  let payloads = 0;
  const batches = response.batches.map((batch) => ({
    ...batch,
    records: batch.records.map((record) => {
      payloads += 4 * Math.ceil(record.payload.length / 3) + '"payload":""'.length;
      return { ...record, payload: new Uint8Array(0) };
    }),
  }));
  return payloads + toJsonString(schema, create(schema, { ...response, batches } as never)).length;
}

function offsetsOf(batches: readonly EntryBatch[]): string[] {
  return batches.flatMap((batch) => batch.records.map((_, i) => `${batch.space}/${Number(batch.firstOffset) + i}`));
}
