import {
  ChunkKind,
  CursorStatesSchema,
  ExportHeaderSchema,
  RememberedTransactionsSchema,
  SegmentStatesSchema,
  SpaceEndSchema,
  SpaceStartSchema,
} from "@streamkit/protocol/export";
import { varintLength, WIRE_LENGTH, writeVarint } from "@streamkit/protocol/wire";
import { systemClock } from "../engine/clock.ts";
import type { RememberedTransaction, SpaceFacts } from "../engine/copy/facts.ts";
import { copySpace } from "../engine/copy/read-copy.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { EncodedBatch } from "../engine/rows/batch.ts";
import { ImportConflictError, notFound } from "../errors.ts";
import { VERSION } from "../version.ts";
import { ChunkWriter, type ExportCompression } from "./chunk-writer.ts";
import { FORMAT } from "./read-export.ts";
import type { ExportSummary } from "./verify-export.ts";

export interface ExportOptions {
  /** Exports only this space. Default: all spaces of the store. */
  readonly space?: string | undefined;
  /** Exports only this segment of `space`. Default: all segments. */
  readonly segment?: string | undefined;
  /** The previous export, from `verifyExport`: exports only later entries. Default: a full export. */
  readonly since?: ExportSummary | undefined;
  /** True to export the cursors of the store too. Default: false. */
  readonly cursors?: boolean | undefined;
  /** Compression of chunks. Default: "zstd". */
  readonly compression?: ExportCompression | undefined;
  /** Called after each chunk with the totals so far. */
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined;
}

/** The work done so far. */
export interface ExportProgress {
  /** The space at work; "" before the first. */
  readonly space: string;
  readonly entries: number;
  /** Bytes of the file. */
  readonly bytes: number;
}

/** Bytes of entries that complete a chunk. */
const CHUNK_BYTES = 1024 * 1024;
/** Spaces and cursors that are listed at a time. */
const LISTED_AT_ONCE = 100;

/**
 * Exports a store while it is in use: yields the bytes of a file, which export.proto describes. Holds about one chunk
 * in memory. Each space is as of one of its transactions, and each has its own point in time.
 *
 * @param signal ends the export with its reason
 * @throws ServerError NOT_FOUND if the store, the space or the segment does not exist; DATA_LOSS if stored data is
 * damaged (G11): the file then has no footer
 * @throws ImportConflictError if the store does not continue from `since`
 */
export async function* exportStore(
  store: OpenStore,
  options: ExportOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { since, onProgress } = options;
  await checkExists(store, options);
  const writer = new ChunkWriter(options.compression ?? "zstd");
  const progress = { space: "", spaces: 0, entries: 0, cursors: 0, bytes: 0 };
  const passed = (chunk: Uint8Array) => {
    signal.throwIfAborted();
    progress.bytes += chunk.length;
    onProgress?.(progress);
    return chunk;
  };
  yield passed(writer.begin());
  yield passed(
    await writer.message(ChunkKind.HEADER, ExportHeaderSchema, {
      format: FORMAT,
      storeId: store.id,
      createTime: BigInt(systemClock()),
      producer: `streamkit-server ${VERSION}`,
      space: options.space ?? "",
      segment: options.segment ?? "",
      baseSha256: since === undefined ? new Uint8Array(0) : Buffer.from(since.totals.sha256, "hex"),
    }),
  );
  // Cursors come first: none of them may be ahead of the entries.
  if (options.cursors === true) {
    for await (const { count, chunk } of cursorChunks(store, writer)) {
      progress.cursors += count;
      yield passed(chunk);
    }
  }
  for await (const space of spacesOf(store, options.space)) {
    progress.space = space;
    for await (const { count, chunk } of spaceChunks(store, space, options, writer, signal)) {
      progress.entries += count;
      yield passed(chunk);
    }
    progress.spaces++;
  }
  const { spaces, entries, cursors } = progress;
  yield passed(await writer.footer({ spaces: BigInt(spaces), entries: BigInt(entries), cursors: BigInt(cursors) }));
}

async function checkExists(store: OpenStore, { space, segment, since }: ExportOptions): Promise<void> {
  if (!(await store.open())) throw notFound(`there is no store ${store.id}`);
  if (space !== undefined) {
    const log = store.space(space);
    if ((await log.sync()).lastOffset === 0) throw notFound(`store ${store.id} has no space "${space}"`);
    if (segment !== undefined && (await log.segmentHead(segment)).lastSequence === 0) {
      throw notFound(`space "${space}" of store ${store.id} has no segment "${segment}"`);
    }
  }
  if (since === undefined) return;
  const { origin } = since;
  const same = origin.storeId === store.id && origin.space === space && origin.segment === segment;
  if (!same) {
    throw new ImportConflictError(
      `the previous export is of ${nameOf(origin.storeId, origin.space, origin.segment)}, not of ${nameOf(store.id, space, segment)}`,
    );
  }
}

function nameOf(storeId: string, space: string | undefined, segment: string | undefined): string {
  const inner = segment === undefined ? "" : `segment "${segment}" of `;
  return `${inner}${space === undefined ? "" : `space "${space}" of `}store ${storeId}`;
}

/** Names in byte order, with those of deleted spaces: their positions must not be used again. */
async function* spacesOf(store: OpenStore, space: string | undefined): AsyncGenerator<string, void, undefined> {
  if (space !== undefined) yield space;
  else for await (const { name } of store.listSpaces("", "", LISTED_AT_ONCE)) yield name;
}

interface CountedChunk {
  /** Entries or cursors in the chunk. */
  readonly count: number;
  readonly chunk: Uint8Array;
}

async function* spaceChunks(
  store: OpenStore,
  space: string,
  { segment, since }: ExportOptions,
  writer: ChunkWriter,
  signal: AbortSignal,
): AsyncGenerator<CountedChunk, void, undefined> {
  let entries = 0;
  let batches: EncodedBatch[] = [];
  let bytes = 0;
  const flush = async () => {
    const message = encodeEntries(batches);
    const count = batches.reduce((sum, batch) => sum + batch.count, 0);
    entries += count;
    batches = [];
    bytes = 0;
    return { count, chunk: await writer.bytes(ChunkKind.ENTRIES, message) };
  };
  for await (const part of copySpace(store.space(space), { segment, since: since?.positions.get(space) }, signal)) {
    if (part.kind === "entries") {
      for (const batch of part.batches) {
        batches.push(batch);
        bytes += batch.byteLength;
        if (bytes >= CHUNK_BYTES) yield await flush();
      }
      continue;
    }
    if (batches.length > 0) yield await flush();
    if (part.kind === "space") {
      yield { count: 0, chunk: await writer.message(ChunkKind.SPACE, SpaceStartSchema, spaceStart(space, part.facts)) };
    } else if (part.kind === "segments") {
      const segments = part.segments.map(({ firstSequence, lastOffset, lastTimeMicros, ...facts }) => ({
        ...facts,
        firstSequence: BigInt(firstSequence),
        lastOffset: BigInt(lastOffset),
        lastTime: BigInt(lastTimeMicros),
      }));
      yield { count: 0, chunk: await writer.message(ChunkKind.SEGMENTS, SegmentStatesSchema, { segments }) };
    } else if (part.kind === "transactions") {
      const transactions = part.transactions.map(storedTransaction);
      const message = { transactions };
      yield { count: 0, chunk: await writer.message(ChunkKind.TRANSACTIONS, RememberedTransactionsSchema, message) };
    } else {
      const end = { deletedOffset: BigInt(part.deletedOffset), entries: BigInt(entries) };
      yield { count: 0, chunk: await writer.message(ChunkKind.SPACE_END, SpaceEndSchema, end) };
    }
  }
}

function spaceStart(space: string, { since, lastTimeMicros, ...facts }: SpaceFacts) {
  return {
    space,
    sinceOffset: BigInt(since.offset),
    sinceNumber: BigInt(since.number),
    sinceTime: BigInt(since.timeMicros),
    lastOffset: BigInt(facts.lastOffset),
    lastNumber: BigInt(facts.lastNumber),
    lastTime: BigInt(lastTimeMicros),
    firstOffset: BigInt(facts.firstOffset),
    deletedOffset: BigInt(facts.deletedOffset),
  };
}

function storedTransaction({ id, number, commitTimeMicros, ranges }: RememberedTransaction) {
  return {
    id,
    number: BigInt(number),
    commitTime: BigInt(commitTimeMicros),
    ranges: ranges.map(({ segment, firstSequence, lastSequence, firstOffset }) => ({
      segment,
      firstSequence: BigInt(firstSequence),
      lastSequence: BigInt(lastSequence),
      firstOffset: BigInt(firstOffset),
    })),
  };
}

/** Encodes a message `Entries` from the stored bytes of its batches. */
function encodeEntries(batches: readonly EncodedBatch[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const batch of batches) {
    const head = new Uint8Array(1 + varintLength(batch.byteLength));
    head[0] = (1 << 3) | WIRE_LENGTH;
    writeVarint(head, 1, batch.byteLength);
    pieces.push(head, ...batch.pieces);
  }
  return Buffer.concat(pieces);
}

async function* cursorChunks(store: OpenStore, writer: ChunkWriter): AsyncGenerator<CountedChunk, void, undefined> {
  let cursors: { name: string; offsets: Record<string, bigint>; version: bigint; updateTime: bigint; owner: string }[] =
    [];
  let spaces = 0;
  const flush = async () => {
    const chunk = {
      count: cursors.length,
      chunk: await writer.message(ChunkKind.CURSORS, CursorStatesSchema, { cursors }),
    };
    cursors = [];
    spaces = 0;
    return chunk;
  };
  for await (const { item } of store.cursors.list("", "", LISTED_AT_ONCE)) {
    if (item === undefined) continue;
    const { name, offsets, version, updateTimeMicros, owner } = item;
    cursors.push({ name, offsets: { ...offsets }, version, updateTime: BigInt(updateTimeMicros), owner });
    // A cursor has at most 1,024 spaces, with names of at most 255 bytes.
    spaces += 1 + Object.keys(offsets).length;
    if (spaces > 4_096) yield await flush();
  }
  if (cursors.length > 0) yield await flush();
}
