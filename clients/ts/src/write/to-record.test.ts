import { describe, expect, test } from "vitest";
import { ModelService } from "../../test/model-service.ts";
import { createStreamkitClient, type RecordInit, type SegmentHandle, withMetadata } from "../index.ts";

const payload = Uint8Array.of(1);

function open() {
  const model = new ModelService();
  const space = createStreamkitClient({ transport: model.transport() }).store("x").space("s");
  return { model, space, segment: space.segment("a") };
}

/** Values that are no records, each with the wrong field and a part of the message. */
const NO_RECORDS: readonly [name: string, record: unknown, field: string, description: RegExp][] = [
  ["a value for a codec", { type: "placed", total: 40 }, "", /"type", "total"; .*withCodec\(json\(\)\)/],
  ["a value with labels", { type: "placed", metadata: {} }, "", /"type"/],
  ["a record with one field too many", { payload, total: 40 }, "", /"total"/],
  ["a record without payload", { metadata: { a: "b" } }, "", /no payload; .*new Uint8Array\(0\)/],
  ["an empty object", {}, "", /no payload/],
  ["undefined", undefined, "", /got undefined; .*withCodec/],
  ["null", null, "", /got null/],
  ["a number", 40, "", /got a number/],
  ["a string", "secret", "", /got a string/],
  ["an array", [payload], "", /got an array/],
  ["a Map", new Map([["payload", payload]]), "", /is a Map and has no payload/],
  ["a Date", new Date(), "", /is a Date and has no payload/],
  ["an ArrayBuffer", payload.buffer, "", /is an ArrayBuffer and has no payload/],
  ["a typed array that is not one of bytes", Uint16Array.of(1), "", /"0"/],
  ["a payload of text", { payload: "secret" }, ".payload", /got a string/],
  ["a payload of null", { payload: null }, ".payload", /got null/],
  ["a payload of numbers", { payload: [1, 2] }, ".payload", /got an array/],
  ["labels that are no object", { payload, metadata: "secret" }, ".metadata", /strings/],
  ["labels in a Map", { payload, metadata: new Map([["a", "b"]]) }, ".metadata", /got a Map/],
  ["labels that are null", { payload, metadata: null }, ".metadata", /got null/],
  ["a label that is a number", { payload, metadata: { n: 1 } }, '.metadata["n"]', /must be a string; got a number/],
  ["a label that is undefined", { payload, metadata: { n: undefined } }, '.metadata["n"]', /got undefined/],
  ["labels of a labeled value", withMetadata(payload, { n: 1 } as never), '.metadata["n"]', /got a number/],
];

describe.each(NO_RECORDS)("%s", (_, record, at, description) => {
  const bad = record as RecordInit;
  const refused = (path: string) =>
    expect.objectContaining({
      reason: "INVALID_FIELD",
      fieldViolations: [{ field: path + at, description: expect.stringMatching(description) }],
      message: expect.not.stringContaining("secret"),
    });

  test("is refused by every way to write, and nothing is written", async () => {
    const { model, space, segment } = open();
    await expect(segment.publish(bad)).rejects.toEqual(refused("appends[0].records[0]"));
    await expect(segment.append([payload, bad])).rejects.toEqual(refused("appends[0].records[1]"));
    await expect(
      space.append([
        { segment: "b", records: [payload] },
        { segment: "a", records: [bad] },
      ]),
    ).rejects.toEqual(refused("appends[1].records[0]"));
    await using session = space.session();
    await expect(session.append([{ segment: "a", records: [bad] }])).rejects.toEqual(refused("appends[0].records[0]"));
    expect(model.entries).toEqual([]);
  });

  test("ends a production, and what came before it is written", async () => {
    const { model, space, segment } = open();
    await expect(segment.produce([payload, bad])).rejects.toEqual(refused("source[1]"));
    const routed = { segment: "a", record: bad };
    await expect(space.produce([routed])).rejects.toEqual(refused("source[0].record"));
    expect(model.entries).toHaveLength(1);
  });
});

test("an entry that was read is no record: what is to be copied is said", async () => {
  const { segment } = open();
  await segment.publish({ payload, metadata: {} });
  const entry = await (async () => {
    for await (const one of segment.consume()) return one;
    throw new Error("nothing was read");
  })();
  await expect(segment.publish(entry as never)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  await segment.publish({ payload: entry.payload, metadata: entry.metadata });
});

test("every problem of a record is named (C4)", async () => {
  const bad = { payload: 1, metadata: { n: 1, m: 2 }, total: 40 } as unknown as RecordInit;
  const error = await open()
    .segment.publish(bad)
    .catch((thrown) => thrown);
  expect(
    error.fieldViolations.map(({ field }: { field: string }) => field.slice("appends[0].records[0]".length)),
  ).toEqual(["", ".payload", '.metadata["n"]', '.metadata["m"]']);
});

test("what a codec throws and returns is told with the record's place", async () => {
  const crash = new Error("no such type");
  const failing = open().segment.withCodec({
    encode(value: number): Uint8Array {
      if (value === 2) throw crash;
      return value === 3 ? ("text" as never) : payload;
    },
    decode: () => 1,
  });
  await expect(failing.append([1, 2])).rejects.toMatchObject({
    reason: "CODEC_FAILED",
    message: "appends[0].records[1]: the codec cannot encode it: no such type",
    cause: crash,
  });
  await expect(failing.append([1, 3])).rejects.toMatchObject({
    fieldViolations: [{ field: "appends[0].records[1]" }],
  });
});

test("the compiler refuses what the client refuses", () => {
  const check = (segment: SegmentHandle<Uint8Array, Uint8Array | RecordInit>) => {
    const placed = { type: "placed", total: 40 };
    const large = { payload, total: 40 };
    // @ts-expect-error
    void segment.publish({ type: "placed", metadata: {} });
    // @ts-expect-error
    void segment.publish(placed);
    // @ts-expect-error
    void segment.publish({ payload, total: 40 });
    // @ts-expect-error
    void segment.publish(large);
    // @ts-expect-error
    void segment.append([payload, large]);
    // @ts-expect-error
    void segment.produce([large]);
    // @ts-expect-error
    void segment.publish({ metadata: { a: "b" } });
    // @ts-expect-error
    void segment.publish({});
    void segment.publish({ payload, metadata: { a: "b" } });
  };
  expect(check).toBeTypeOf("function");
});
