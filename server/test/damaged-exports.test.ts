/** Files that are damaged, cut, or made by another program: each is refused, with the place. */
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChunkKind, EntriesSchema, ExportFooterSchema, SpaceStartSchema } from "@streamkit/protocol/export";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CODEC, decodeHead, encodeHead, MAGIC } from "../src/export/chunk.ts";
import { ExportFileError, type FileProblem } from "../src/export/export-file-error.ts";
import { verifyExport } from "../src/export/verify-export.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { chunksOf, exported, imported, pieces, write } from "./export-files.ts";
import { endInstances, type Instance, makeInstance } from "./instance.ts";

const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
let source: Instance;
let file: Buffer;

beforeAll(async () => {
  source = makeInstance(memoryStorage());
  await write(source, storeId, "orders", ["a", "b"], { payload: "first".repeat(100) });
  await write(source, storeId, "orders", ["a"], { payload: "second".repeat(100) });
  await write(source, storeId, "audit", ["log"]);
  file = await exported(source, storeId);
});

afterAll(() => endInstances([source]));

async function problemOf(bytes: Uint8Array): Promise<ExportFileError | undefined> {
  return verifyExport(pieces(bytes)).then(
    () => undefined,
    (error) => {
      expect(error).toBeInstanceOf(ExportFileError);
      return error;
    },
  );
}

/** A valid file of these messages: checksums, counts of chunks and SHA-256 fit. */
function rebuilt(chunks: readonly (readonly [kind: number, message: Uint8Array])[]): Buffer {
  const parts: Buffer[] = [MAGIC];
  for (const [number, [kind, message]] of chunks.entries()) {
    let body = message;
    if (kind === ChunkKind.FOOTER) {
      const sha256 = createHash("sha256").update(Buffer.concat(parts)).digest();
      const footer = fromBinary(ExportFooterSchema, message);
      body = toBinary(ExportFooterSchema, { ...footer, chunks: BigInt(number), sha256 });
    }
    parts.push(encodeHead(number, { kind, codec: CODEC.none, messageLength: body.length }, body), Buffer.from(body));
  }
  return Buffer.concat(parts);
}

/** Kinds and messages of an uncompressed file. */
async function messages(): Promise<[number, Uint8Array][]> {
  const plain = await exported(source, storeId, { compression: "none" });
  return chunksOf(plain).map((chunk) => [chunk[0], chunk.subarray(16)]);
}

describe("a damaged file", () => {
  it("is refused whatever byte of it changes, and writes whole chunks at most", async () => {
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at] ^= 1 << (at % 8);
      const error = await problemOf(damaged);
      expect(error, `byte ${at}`).toBeDefined();
      expect(error?.message).toMatch(/\(chunk \d+, at byte \d+\)$/);
      expect(error?.place.at, `byte ${at}`).toBeLessThanOrEqual(at);
    }
  });

  it("is refused wherever it ends", async () => {
    for (let length = 0; length < file.length; length++) {
      const expected: FileProblem = length < MAGIC.length ? "foreign" : "cut";
      expect((await problemOf(file.subarray(0, length)))?.problem, `${length} bytes`).toBe(expected);
    }
    expect(await problemOf(file)).toBeUndefined();
    expect((await problemOf(Buffer.concat([file, file])))?.message).toContain("goes on after its footer");
  });

  it("is refused if chunks are missing, double, or in another order", async () => {
    const chunks = chunksOf(file);
    for (let i = 0; i < chunks.length - 1; i++) {
      const without = chunks.filter((_, index) => index !== i);
      const twice = chunks.flatMap((chunk, index) => (index === i ? [chunk, chunk] : [chunk]));
      const swapped = chunks.with(i, chunks[i + 1]).with(i + 1, chunks[i]);
      for (const changed of [without, twice, swapped]) {
        expect((await problemOf(Buffer.concat([MAGIC, ...changed])))?.problem).toBe("damaged");
      }
    }
  });

  it("leaves no part of a transaction behind when its import ends early", async () => {
    for (let length = 0; length < file.length; length += 7) {
      const target = makeInstance(memoryStorage());
      await expect(imported(target, storeId, file.subarray(0, length))).rejects.toThrow(ExportFileError);
      const { spaces } = await target.stream.listSpaces({ storeId });
      // "orders" has 2 entries after its first transaction, and 3 after its second.
      for (const { space, lastOffset } of spaces) if (space === "orders") expect([2n, 3n]).toContain(lastOffset);
      await endInstances([target]);
    }
  });
});

describe("a file of another program", () => {
  it("is accepted if it follows the format", async () => {
    expect(await problemOf(rebuilt(await messages()))).toBeUndefined();
  });

  it.each<[string, (parts: [number, Uint8Array][]) => [number, Uint8Array][], string]>([
    ["a kind that is unknown", (parts) => parts.with(1, [99, parts[1][1]]), "kind 99"],
    ["no header", (parts) => parts.slice(1), "the first chunk is not a header"],
    ["two headers", (parts) => [parts[0], ...parts], "a second header"],
    ["a space inside of a space", (parts) => [parts[0], parts[1], ...parts.slice(1)], "begins inside of another"],
    [
      "spaces out of order",
      (parts) => [parts[0], ...parts.slice(5, 9), ...parts.slice(1, 5), parts[9]],
      "order of their bytes",
    ],
    ["entries outside of a space", (parts) => [parts[0], parts[2], ...parts.slice(3)], "outside of a space"],
    ["entries twice", (parts) => parts.toSpliced(2, 0, parts[2]), "expected them from"],
    ["fewer entries than it says", (parts) => parts.toSpliced(2, 1), "should have"],
    ["bytes that are no message", (parts) => parts.with(2, [parts[2][0], Buffer.from("junk")]), "(chunk 2, at byte"],
    ["a header that is no message", (parts) => parts.with(0, [parts[0][0], Buffer.from("junk")]), "cannot be used"],
    ["another format", (parts) => parts.with(0, [parts[0][0], Buffer.from([8, 9])]), "format 9"],
    [
      "a control character in a name",
      (parts) => parts.with(1, [parts[1][0], rename(parts[1][1])]),
      "control character",
    ],
    [
      "a record that is no record",
      (parts) => parts.with(2, [parts[2][0], breakRecord(parts[2][1])]),
      "cannot be decoded",
    ],
  ])("is refused with %s", async (_, change, message) => {
    expect((await problemOf(rebuilt(change(await messages()))))?.message).toContain(message);
  });

  it("is refused with two zstd frames in a chunk, of which Node would read the first only", async () => {
    const chunk = chunksOf(file)[0];
    const { kind } = decodeHead(chunk);
    const message = chunk.subarray(16);
    const body = Buffer.concat([zstdCompressSync(message), zstdCompressSync(message)]);
    const head = encodeHead(0, { kind, codec: CODEC.zstd, messageLength: message.length }, body);
    const error = await problemOf(Buffer.concat([MAGIC, head, body]));
    expect(error).toMatchObject({ problem: "foreign", message: expect.stringContaining("one zstd frame") });
  });

  it("is refused with a chunk that grows beyond its length, before it grows", async () => {
    const body = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
    const head = encodeHead(0, { kind: ChunkKind.HEADER, codec: CODEC.zstd, messageLength: 100 }, body);
    expect((await problemOf(Buffer.concat([MAGIC, head, body])))?.message).toContain("decompressed to its length");
  });
});

function rename(message: Uint8Array): Uint8Array {
  return toBinary(SpaceStartSchema, { ...fromBinary(SpaceStartSchema, message), space: "a\u0007" });
}

/** Puts a field into a record that no record has. */
function breakRecord(message: Uint8Array): Uint8Array {
  const entries = fromBinary(EntriesSchema, message);
  const bytes = Buffer.from(toBinary(EntriesSchema, create(EntriesSchema, entries)));
  const at = bytes.lastIndexOf(Buffer.from([0x0a, 0x01, 0x78]));
  bytes[at] = 0x1a;
  return bytes;
}
