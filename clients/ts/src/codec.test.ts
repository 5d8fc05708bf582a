import { SegmentStatusSchema } from "@streamkit/protocol";
import { expect, expectTypeOf, test } from "vitest";
import { ModelService } from "../test/model-service.ts";
import { createStreamkitClient, json, protobuf, type StreamkitError, withMetadata } from "./index.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const open = () => createStreamkitClient({ transport: new ModelService().transport() }).store(STORE).space("s");

test("JSON: typed values in, typed values out", async () => {
  const segment = open().withCodec(json<{ n: number }>()).segment("a");
  await segment.append([{ n: 1 }, withMetadata({ n: 2 }, { trace: "t" })]);
  const values: number[] = [];
  for await (const entry of segment.consume()) {
    expectTypeOf(entry.value).toEqualTypeOf<{ n: number }>();
    values.push(entry.value.n);
  }
  expect(values).toEqual([1, 2]);
});

test("JSON: refuses bytes that are none", async () => {
  const segment = open().segment("a");
  await segment.publish(Uint8Array.of(0xff));
  for await (const entry of segment.withCodec(json()).consume()) expect(() => entry.value).toThrow();
});

test("protobuf: initialisers in, messages out", async () => {
  const segment = open().segment("a").withCodec(protobuf(SegmentStatusSchema));
  await segment.publish({ segment: "x", lastSequence: 7n });
  for await (const { value } of segment.consume()) {
    expect([value.$typeName, value.segment, value.lastSequence]).toEqual([SegmentStatusSchema.typeName, "x", 7n]);
  }
});

test("JSON: a value of which nothing would be left is refused", async () => {
  const segment = open().segment("a").withCodec(json<unknown>());
  for (const value of [
    undefined,
    1n,
    Number.NaN,
    new Map([["a", 1]]),
    new Set([1]),
    Promise.resolve(1),
    Buffer.of(1),
  ]) {
    await expect(segment.publish(value)).rejects.toMatchObject({
      reason: "CODEC_FAILED",
      cause: expect.any(TypeError),
    });
  }
  await expect(segment.append([1, () => 1])).rejects.toThrow(
    /appends\[0\]\.records\[1\]: .*a function has no JSON form/,
  );
  expect((await segment.append([null, {}, [], "", 0, false, new Date(0), { toJSON: () => ({}) }])).lastSequence).toBe(
    8,
  );
});

test("bytes: as they are, with or without labels", async () => {
  const segment = open().segment("a");
  const payload = Uint8Array.of(2);
  await segment.append([Uint8Array.of(1), { payload }, Buffer.of(3), withMetadata({ payload }, { a: "b" })]);
  await segment.publish({ payload: new Uint8Array(0), metadata: {} });
  const seen: number[][] = [];
  for await (const entry of segment.consume()) seen.push([...entry.value]);
  expect(seen).toEqual([[1], [2], [3], [2], []]);
});

test("an entry that the codec cannot decode is told with its place and its bytes, and the read goes on", async () => {
  const raw = open().segment("a");
  await raw.append([text('{"n":1}'), { payload: text("{secret"), metadata: {} }, text('{"n":3}')]);
  const seen: number[] = [];
  const errors: StreamkitError[] = [];
  for await (const entry of raw.withCodec(json<{ n: number }>()).consume()) {
    try {
      seen.push(entry.value.n);
    } catch (thrown) {
      errors.push(thrown as StreamkitError);
      expect((thrown as StreamkitError).entry).toBe(entry);
    }
  }
  expect(seen).toEqual([1, 3]);
  expect(errors).toHaveLength(1);
  const [error] = errors;
  expect(error).toMatchObject({ name: "StreamkitError", reason: "CODEC_FAILED", segment: "a", retryable: false });
  expect(error.message).toContain(
    `the codec cannot decode entry 2 of segment "a" in space "s" (offset 2, store ${STORE})`,
  );
  expect(error.cause).toBeInstanceOf(SyntaxError);
  const { entry } = error;
  expect(entry && [entry.storeId, entry.space, entry.segment, entry.sequence, entry.offset]).toEqual([
    STORE,
    "s",
    "a",
    2,
    2,
  ]);
  expect(new TextDecoder().decode(entry?.payload)).toBe("{secret");
  expect(Object.keys(error)).not.toContain("entry");
});

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
