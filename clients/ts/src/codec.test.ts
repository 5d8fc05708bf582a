import { SegmentStatusSchema } from "@streamkit/protocol";
import { expect, expectTypeOf, test } from "vitest";
import { ModelService } from "../test/model-service.ts";
import { createStreamkitClient, json, protobuf, withMetadata } from "./index.ts";

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

test("JSON: refuses what has no JSON form, and bytes that are none", async () => {
  const segment = open().segment("a");
  await expect(segment.withCodec(json<unknown>()).publish(undefined)).rejects.toThrow(TypeError);
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

test("bytes: as they are, with or without labels; anything else is refused", async () => {
  const segment = open().segment("a");
  await segment.append([Uint8Array.of(1), { payload: Uint8Array.of(2) }, {}, withMetadata(Uint8Array.of(3), {})]);
  const seen: number[][] = [];
  for await (const entry of segment.consume()) seen.push([...entry.value]);
  expect(seen).toEqual([[1], [2], [], [3]]);
  await expect(segment.publish("text" as never)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  await expect(segment.publish({ payload: "text" } as never)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  await expect(segment.publish({ metadata: { n: 1 } } as never)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
});
