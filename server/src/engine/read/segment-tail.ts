import { varintLength, WIRE_LENGTH, WireReader, writeVarint } from "@streamkit/protocol/wire";
import { type EncodedBatch, parseBatch } from "../rows/batch.ts";
import type { SegmentHead } from "../rows/heads.ts";
import type { ConsumePage } from "./consume.ts";
import { costOf, PAGE_COST, type PageSelection } from "./read-page.ts";

/** A page whose batches are encoded already, as the fields of a response. */
export interface EncodedPage {
  /** Encoded fields `batches` of `ReadSegmentResponse`, in order. The bytes belong to a cache: copy them. */
  readonly fields: readonly Uint8Array[];
  readonly next: number;
  readonly caughtUp: boolean;
}

/** Most bytes of the entries of one tail. */
const MAX_BYTES = 256 * 1024;
/** Bytes of the objects of a tail, and of the numbers that it has for each batch. Measured with Node.js 24. */
const TAIL_BYTES = 650;
const BATCH_BYTES = 24;

const BATCH_TAG = (1 << 3) | WIRE_LENGTH;

/**
 * The latest entries of a segment, encoded as the fields of a response.
 *
 * Committed entries never change, and no sequence is used twice. So a tail cannot become wrong: it can only lack the
 * newest entries, and have some that were trimmed since. A reader takes the bounds of a page from a head of the segment
 * that is as fresh as for any other read, and the entries between those bounds from the tail.
 */
export class SegmentTail {
  /** Reads from this sequence on find all their entries here. Entries between `min` and the first one were trimmed. */
  readonly min: number;
  #bytes: Buffer;
  #length = 0;
  #cost = 0;
  /** Sequence of the first entry. */
  readonly #first: number;
  /** For each batch: first sequence after it, and end of its field in `#bytes`. */
  readonly #nexts: number[] = [];
  readonly #ends: number[] = [];

  /**
   * Makes a tail of a page that ends at the last entry of its segment. Returns undefined if the page has no entries,
   * has a gap, or is too large.
   *
   * @param min first sequence that the page was to have
   */
  static of(min: number, { batches, next }: ConsumePage): SegmentTail | undefined {
    if (batches.length === 0) return undefined;
    const tail = new SegmentTail(min, batches);
    for (const batch of batches) if (!tail.add(batch)) return undefined;
    return tail.next === next ? tail : undefined;
  }

  private constructor(min: number, batches: readonly EncodedBatch[]) {
    this.min = min;
    this.#first = batches[0].firstSequence;
    const length = batches.reduce((sum, batch) => sum + fieldLength(batch), 0);
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(length, MAX_BYTES));
  }

  /** First sequence after the tail. */
  get next(): number {
    return this.#nexts.at(-1) ?? this.#first;
  }

  /** Bytes in memory. */
  get byteLength(): number {
    return TAIL_BYTES + this.#bytes.length + BATCH_BYTES * this.#nexts.length;
  }

  /** Adds the batch that follows directly. Returns false, and changes nothing, if the tail would be too large. */
  add(batch: EncodedBatch): boolean {
    if (batch.firstSequence !== this.next) return false;
    const length = this.#length + fieldLength(batch);
    const cost = this.#cost + costOf(batch);
    // A page from memory has at most the size of one from storage.
    if (length > MAX_BYTES || cost > PAGE_COST) return false;
    this.#reserve(length);
    this.#bytes[this.#length] = BATCH_TAG;
    let at = writeVarint(this.#bytes, this.#length + 1, batch.byteLength);
    for (const piece of batch.pieces) {
      this.#bytes.set(piece, at);
      at += piece.length;
    }
    this.#length = at;
    this.#cost = cost;
    this.#nexts.push(batch.lastSequence + 1);
    this.#ends.push(at);
    return true;
  }

  /**
   * Returns the page that a read from storage would have. Returns undefined if entries are missing here.
   *
   * @param head the head of the segment, read after the call began (G5)
   */
  page(head: SegmentHead, { min, max, limit }: PageSelection): EncodedPage | undefined {
    const from = Math.max(head.firstSequence, min);
    const through = Math.min(head.lastSequence, max, from + limit - 1);
    if (min < this.min || through >= this.next) return undefined;
    const next = Math.max(from, through + 1);
    const page = { next, caughtUp: next > head.lastSequence };
    if (through < from) return { ...page, fields: [] };
    return from < this.#first ? undefined : { ...page, fields: this.#fields(from, through) };
  }

  #fields(from: number, through: number): readonly Uint8Array[] {
    let first = this.#indexOf(from);
    let last = this.#indexOf(through);
    if (first === last) {
      const { firstSequence, lastSequence } = this.#bounds(first);
      if (firstSequence < from || lastSequence > through) return this.#part(first, from, through);
    }
    const before = this.#bounds(first).firstSequence < from ? this.#part(first++, from, through) : [];
    const behind = this.#bounds(last).lastSequence > through ? this.#part(last--, from, through) : [];
    const whole = first > last ? [] : [this.#bytes.subarray(this.#startOf(first), this.#ends[last])];
    return [...before, ...whole, ...behind];
  }

  /** Returns the field of a part of one batch. */
  #part(index: number, from: number, through: number): readonly Uint8Array[] {
    const reader = new WireReader(this.#bytes.subarray(this.#startOf(index), this.#ends[index]));
    reader.tag();
    const batch = parseBatch(reader.bytes());
    const start = Math.max(0, from - batch.firstSequence);
    const part = batch.slice(start, Math.min(batch.count, through + 1 - batch.firstSequence));
    const header = new Uint8Array(1 + varintLength(part.byteLength));
    header[0] = BATCH_TAG;
    writeVarint(header, 1, part.byteLength);
    return [header, ...part.pieces];
  }

  /** Returns the index of the batch that contains a sequence. */
  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.#nexts.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#nexts[middle] <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #bounds(index: number) {
    const firstSequence = index === 0 ? this.#first : this.#nexts[index - 1];
    return { firstSequence, lastSequence: this.#nexts[index] - 1 };
  }

  #startOf(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1];
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(MAX_BYTES, Math.ceil(length * 1.25)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Returns the encoded batches of a page. */
export function batchesOf({ fields }: EncodedPage): Uint8Array[] {
  const batches: Uint8Array[] = [];
  const reader = new WireReader(Buffer.concat(fields));
  while (reader.more) {
    reader.tag();
    batches.push(reader.bytes());
  }
  return batches;
}

function fieldLength({ byteLength }: EncodedBatch): number {
  return 1 + varintLength(byteLength) + byteLength;
}
