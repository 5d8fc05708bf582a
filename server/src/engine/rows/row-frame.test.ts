import { zstdCompressSync } from "node:zlib";
import { ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameRow, unframeRow } from "./row-frame.ts";

const framed = (message: Uint8Array[], compression?: "none" | "zstd") => Buffer.concat(frameRow(message, compression));
const lost = expect.objectContaining({ reason: ErrorReason.DATA_LOSS });

describe("row frame", () => {
  it("returns its content, in any pieces, with either compression", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 4 }),
        fc.constantFrom("none", "zstd"),
        (pieces, codec) => {
          expect(Buffer.from(unframeRow(framed(pieces, codec as "none"), "row"))).toEqual(Buffer.concat(pieces));
        },
      ),
    );
  });

  it("has the bytes of earlier versions", () => {
    // CRC-32C of 00 61 62 63, computed with the published polynomial.
    expect(framed([Buffer.from("a"), Buffer.from("bc")]).toString("hex")).toBe(`0100${crcOf("00616263")}616263`);
    expect(framed([]).toString("hex")).toBe(`0100${crcOf("00")}`);
  });

  it("compresses with zstd only where that saves something", () => {
    const text = Buffer.alloc(4_000, "streamkit");
    expect(framed([text], "zstd")[1]).toBe(1);
    expect(framed([text], "zstd").length).toBeLessThan(400);
    expect(framed([text.subarray(0, 100)], "zstd")[1]).toBe(0);
    const noise = Buffer.from(Array.from({ length: 1_000 }, (_, i) => (i * 7919 + ((i * i) >> 3) * 104_729) & 0xff));
    expect(framed([zstdCompressSync(noise)], "zstd")[1]).toBe(0);
  });

  it("turns every flipped bit into DATA_LOSS (G11)", () => {
    for (const compression of ["none", "zstd"] as const) {
      const row = framed([Buffer.alloc(300, "row")], compression);
      for (let bit = 0; bit < row.length * 8; bit++) {
        const damaged = Buffer.from(row);
        damaged[bit >> 3] ^= 1 << (bit & 7);
        expect(() => unframeRow(damaged, "row")).toThrow(lost);
      }
    }
  });

  it("turns every cut and every extension into DATA_LOSS (G11)", () => {
    const row = framed([Buffer.from("some bytes")]);
    for (let length = 0; length < row.length; length++)
      expect(() => unframeRow(row.subarray(0, length), "row")).toThrow(lost);
    expect(() => unframeRow(Buffer.concat([row, Buffer.of(0)]), "row")).toThrow(lost);
  });

  it("refuses unknown formats and codecs", () => {
    const unknownFormat = framed([Buffer.from("x")]);
    unknownFormat[0] = 2;
    expect(() => unframeRow(unknownFormat, "row")).toThrow(lost);
    const body = Buffer.from("0278", "hex");
    const unknownCodec = Buffer.concat([Buffer.of(1, 2), Buffer.from(crcOf("0278"), "hex"), body.subarray(1)]);
    expect(() => unframeRow(unknownCodec, "row")).toThrow(/codec 2/);
  });
});

/**
 * CRC-32C in hex, little-endian, of bytes given in hex. It works bit by bit, to be independent of the library in use.
 */
function crcOf(hex: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(hex, "hex")) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE((crc ^ 0xffffffff) >>> 0);
  return bytes.toString("hex");
}
