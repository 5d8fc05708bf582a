import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ChunkKind,
  CursorStatesSchema,
  ExportFooterSchema,
  ExportHeaderSchema,
  RememberedTransactionsSchema,
  SegmentStatesSchema,
  SpaceEndSchema,
  SpaceStartSchema,
} from "@streamkit/protocol/export";
import { nameViolation, uuidProblem } from "../engine/names.ts";
import { type Chunk, readChunks } from "./chunk-reader.ts";
import { ExportFileError, type FileProblem } from "./export-file-error.ts";
import type { ExportItem, ExportOrigin } from "./export-item.ts";
import { FormatError, SpaceCheck } from "./space-check.ts";

/** The only format so far. */
export const FORMAT = 1;

/**
 * Reads a file, and checks each chunk before it yields it: its bytes, its place in the file, and its message. The check
 * needs no memory for entries that it has seen.
 *
 * @throws ExportFileError
 */
export async function* readExport(source: AsyncIterable<Uint8Array>): AsyncGenerator<ExportItem, void, undefined> {
  const items = new ExportItems();
  for await (const chunk of readChunks(source)) yield items.next(chunk);
}

/** The state of a reader between two chunks. */
class ExportItems {
  #origin: ExportOrigin | undefined;
  #space: SpaceCheck | undefined;
  /** Spaces that have ended, in order: a space comes once, after those with smaller names. */
  #lastSpace = "";
  #spaces = 0;
  #entries = 0;
  #cursors = 0;

  next(chunk: Chunk): ExportItem {
    try {
      return { chunk: chunk.chunk, at: chunk.at, ...this.#read(chunk) } as ExportItem;
    } catch (cause) {
      if (cause instanceof ExportFileError) throw cause;
      if (cause instanceof FormatError) throw new ExportFileError("foreign", chunk, cause.message);
      // Errors of decoders: of protobuf, of stored batches, of records.
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ExportFileError("foreign", chunk, `the chunk cannot be used: ${why}`, cause);
    }
  }

  #read(chunk: Chunk) {
    const fail = (message: string, problem: FileProblem = "foreign") => new ExportFileError(problem, chunk, message);
    const decode = <Desc extends DescMessage>(schema: Desc): MessageShape<Desc> => fromBinary(schema, chunk.message);
    if ((this.#origin === undefined) !== (chunk.kind === ChunkKind.HEADER)) {
      throw fail(this.#origin === undefined ? "the first chunk is not a header" : "the file has a second header");
    }
    const inside = this.#space;
    switch (chunk.kind) {
      case ChunkKind.HEADER:
        this.#origin = originOf(decode(ExportHeaderSchema), fail);
        return { kind: "header", origin: this.#origin } as const;
      case ChunkKind.SPACE: {
        if (inside !== undefined) throw fail("a space begins inside of another one");
        const check = new SpaceCheck(decode(SpaceStartSchema));
        const { space, facts } = check;
        if (Buffer.compare(Buffer.from(this.#lastSpace), Buffer.from(space)) >= 0) {
          throw fail(`space "${space}" comes after space "${this.#lastSpace}"; expected the order of their bytes`);
        }
        this.#space = check;
        this.#lastSpace = space;
        return { kind: "space", space, facts } as const;
      }
      case ChunkKind.SEGMENTS: {
        if (inside === undefined) throw fail("states of segments outside of a space");
        return { kind: "segments", segments: inside.segments(decode(SegmentStatesSchema).segments) } as const;
      }
      case ChunkKind.ENTRIES:
        if (inside === undefined) throw fail("entries outside of a space");
        return { kind: "entries", batches: inside.entries(chunk.message) } as const;
      case ChunkKind.TRANSACTIONS: {
        if (inside === undefined) throw fail("transactions outside of a space");
        const { transactions } = decode(RememberedTransactionsSchema);
        return { kind: "transactions", transactions: inside.transactions(transactions) } as const;
      }
      case ChunkKind.SPACE_END: {
        if (inside === undefined) throw fail("the end of a space without its start");
        const deletedOffset = inside.end(decode(SpaceEndSchema));
        this.#space = undefined;
        this.#spaces++;
        this.#entries += inside.count;
        return { kind: "space-end", deletedOffset } as const;
      }
      case ChunkKind.CURSORS: {
        if (this.#lastSpace !== "") throw fail("cursors after a space");
        const cursors = decode(CursorStatesSchema).cursors.map(({ name, offsets, version, updateTime, owner }) => {
          const violation = nameViolation(name, "cursor");
          if (violation !== undefined) throw fail(`a cursor has an invalid name: it ${violation.description}`);
          return { name, offsets, version, updateTimeMicros: Number(updateTime), owner };
        });
        this.#cursors += cursors.length;
        return { kind: "cursors", cursors } as const;
      }
      case ChunkKind.FOOTER: {
        const footer = decode(ExportFooterSchema);
        if (inside !== undefined) throw fail("the footer comes inside of a space");
        const found = [this.#spaces, this.#entries, this.#cursors].map(BigInt);
        const told = [footer.spaces, footer.entries, footer.cursors];
        if (found.some((count, index) => count !== told[index])) {
          throw fail(`the footer counts ${told.join(", ")} spaces, entries and cursors, and the file has ${found}`);
        }
        const sha256 = Buffer.from(footer.sha256).toString("hex");
        const counts = { spaces: this.#spaces, entries: this.#entries, cursors: this.#cursors };
        return { kind: "footer", totals: { chunks: chunk.chunk, bytes: chunk.end, sha256, ...counts } } as const;
      }
      default:
        throw fail(`the chunk has kind ${chunk.kind}, which this version does not know`, "newer");
    }
  }
}

function originOf(
  header: MessageShape<typeof ExportHeaderSchema>,
  fail: (message: string, problem?: FileProblem) => ExportFileError,
): ExportOrigin {
  const { format, storeId, createTime, producer, space, segment, baseSha256 } = header;
  if (format !== FORMAT) throw fail(`the file has format ${format}; this version reads ${FORMAT}`, "newer");
  const problem = uuidProblem(storeId);
  if (problem !== undefined) throw fail(`the id of the store ${problem}`);
  return {
    storeId,
    createTimeMicros: Number(createTime),
    producer,
    space: space || undefined,
    segment: segment || undefined,
    baseSha256: baseSha256.length === 0 ? undefined : Buffer.from(baseSha256).toString("hex"),
  };
}
