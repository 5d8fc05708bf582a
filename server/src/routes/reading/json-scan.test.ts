import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import {
  AppendRequestSchema,
  CommitCursorRequestSchema,
  ConsumeRequestSchema,
  ErrorDetailSchema,
  ErrorReason,
  LIMITS,
} from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_LABELS } from "../../engine/append/segment-append.ts";
import { scanJson } from "./json-scan.ts";

/** Returns the error of a scan; undefined if the scan accepts the JSON. */
function scan(json: string | Uint8Array, message: Parameters<typeof scanJson>[0] = AppendRequestSchema) {
  try {
    scanJson(message, typeof json === "string" ? Buffer.from(json) : json);
    return undefined;
  } catch (error) {
    const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
    return { reason: ErrorReason[detail.reason], field: detail.fieldViolations[0].field };
  }
}

const invalid = (field = "") => ({ reason: "INVALID_FIELD", field });
const repeat = (count: number, part: string) => Array.from({ length: count }, () => part).join(",");

describe("scanJson", () => {
  it("accepts the same JSON as JSON.parse, and stops at the same place", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.nat(), fc.string({ maxLength: 2 }), (json, at, noise) => {
        // Only the scan, and not JSON.parse, refuses duplicate keys and lone surrogates.
        if (!json.isWellFormed()) return;
        for (const text of [json, json.slice(0, at % (json.length + 1)), json.slice(0, at % json.length) + noise]) {
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          if (valid && !/\\u[dD]/.test(text)) expect([text, scan(text)]).toEqual([text, undefined]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each(["", "{", "[", '{"a"', '{"a":', '{"a":1,}', "[1,]", '{"a" 1}', "{1:2}", '"', '"\\', '"\\u12', "{} x", "]"])(
    "refuses %j, which is no JSON",
    (json) => expect(scan(json)).toEqual(invalid()),
  );

  it.each([
    '{"storeId":"x","appends":[{"segment":"a","records":[{"payload":"aGk=","metadata":{"k":"v"}}],"expectedLastSequence":"5"}]}',
    ' \t\r\n{ "space" : "\\ud83d\\ude00 \\u0061\\"\\\\" , "unknown" : [ { "a" : [ ] } , null , -1.5e3 , true ] } ',
    '\ufeff{"space":"a"}',
    '{"appends":null,"other":{"a":1,"a":2}}',
  ])("takes %j", (json) => expect(scan(json)).toBeUndefined());

  it("refuses text that is not UTF-8, in names, keys, values and between them (M11)", () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      const bad = Buffer.from(bytes);
      for (const [before, after] of [
        ['{"space":"', '"}'],
        ['{"', '":1}'],
        ["{", "}"],
        ['{"appends":[{"records":[{"metadata":{"', '":""}}]}]}'],
      ]) {
        expect(scan(Buffer.concat([Buffer.from(before), bad, Buffer.from(after)]))).toEqual(invalid());
      }
    }
  });

  it.each([
    ["space", '{"space":"\\ud800"}'],
    ["space", '{"space":"\\udc00\\ud800"}'],
    ["space", '{"space":"\\ud800\\u0041"}'],
    ["space", '{"space":"\\uD83D"}'],
    ["appends[1].segment", '{"appends":[{},{"segment":"a\\udfff"}]}'],
    ["appends[0].records[1].metadata", '{"appends":[{"records":[{},{"metadata":{"\\udfff":""}}]}]}'],
    ["appends[0].records[0].metadata", '{"appends":[{"records":[{"metadata":{"k":"\\ud8ff"}}]}]}'],
    ["", '{"unknown":"\\ud800"}'],
  ])("refuses lone surrogates, and names %s", (field, json) => expect(scan(json)).toEqual(invalid(field)));

  it.each([
    ["space", '{"space":"a","space":"b"}'],
    ["space", '{"space":"a","spa\\u0063e":"b"}'],
    ["store_id", '{"storeId":"a","store_id":"b"}'],
    ["appends[0].records", '{"appends":[{"records":[],"records":[]}]}'],
    ["appends[0].records[0].metadata", '{"appends":[{"records":[{"metadata":{"k":"1","k":"2"}}]}]}'],
    ["appends[0].records[0].metadata", '{"appends":[{"records":[{"metadata":{"k":"1","\\u006b":"2"}}]}]}'],
  ])("refuses duplicates, and names %s", (field, json) => expect(scan(json)).toEqual(invalid(field)));

  it("refuses numbers of known fields that would be rounded", () => {
    expect(scan('{"appends":[{"fencingToken":9007199254740991}]}')).toBeUndefined();
    expect(scan('{"appends":[{"fencingToken":"18446744073709551615"}],"x":18446744073709551615}')).toBeUndefined();
    for (const number of ["9007199254740992", "9007199254740993", "18446744073709551615"]) {
      expect(scan(`{"appends":[{"fencingToken":${number}}]}`)).toEqual(invalid("appends[0].fencing_token"));
      expect(scan(`{"spaces":{"a":${number}}}`, ConsumeRequestSchema)).toEqual(invalid("spaces"));
    }
  });

  it("counts elements, at the limit and one over", () => {
    const tooLarge = { reason: "TRANSACTION_TOO_LARGE", field: "appends" };
    const { maxTransactionSegments: segments, maxTransactionRecords: records, maxConsumeSpaces: spaces } = LIMITS;
    expect(scan(`{"appends":[${repeat(segments, "{}")}]}`)).toBeUndefined();
    expect(scan(`{"appends":[${repeat(segments + 1, "{}")}]}`)).toEqual(tooLarge);
    const half = `{"records":[${repeat(records / 2, "{}")}]}`;
    expect(scan(`{"appends":[${half},${half}]}`)).toBeUndefined();
    expect(scan(`{"appends":[${half},${half},{"records":[{}]}]}`)).toEqual(tooLarge);
    const labels = (count: number) =>
      `{"appends":[{"records":[{"metadata":{${Array.from({ length: count }, (_, i) => `"${i}":""`).join(",")}}}]}]}`;
    expect(scan(labels(MAX_LABELS))).toBeUndefined();
    expect(scan(labels(MAX_LABELS + 1))).toEqual(tooLarge);
    const map = (name: string, count: number) =>
      `{"${name}":{${Array.from({ length: count }, (_, i) => `"${i}":"1"`).join(",")}}}`;
    expect(scan(map("spaces", spaces), ConsumeRequestSchema)).toBeUndefined();
    expect(scan(map("spaces", spaces + 1), ConsumeRequestSchema)).toEqual(invalid("spaces"));
    expect(scan(map("offsets", spaces), CommitCursorRequestSchema)).toBeUndefined();
    expect(scan(map("offsets", spaces + 1), CommitCursorRequestSchema)).toEqual(invalid("offsets"));
  });

  it("bounds the depth, and the values of unknown fields", () => {
    const nested = (depth: number) => `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    expect(scan(nested(100))).toBeUndefined();
    expect(scan(nested(101))).toEqual(invalid());
    expect(scan("[".repeat(8_000_000))).toEqual(invalid());
    expect(scan(`{"x":[${"{},".repeat(2_000_000)}{}]}`)).toEqual(invalid());
  });

  it("counts the elements of the largest transaction in JSON", () => {
    const metadata = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key-${i}`, "value"]));
    const records = Array.from({ length: LIMITS.maxTransactionRecords }, () => ({ metadata }));
    const json = JSON.stringify({ appends: [{ segment: "a", records }] });
    expect(scan(json)).toBeUndefined();
    expect(toJsonString(AppendRequestSchema, fromJsonString(AppendRequestSchema, json)).length).toBe(json.length);
  });
});
