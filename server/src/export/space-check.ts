import type {
  SegmentState,
  SpaceEnd,
  SpaceStart,
  RememberedTransaction as StoredTransaction,
} from "@streamkit/protocol/export";
import { WIRE_LENGTH, WireReader } from "@streamkit/protocol/wire";
import { checkRecords } from "../engine/append/segment-append.ts";
import type { RememberedTransaction, SegmentFacts, SpaceFacts } from "../engine/copy/facts.ts";
import { nameViolation, uuidProblem } from "../engine/names.ts";
import { type EncodedBatch, parseBatch } from "../engine/rows/batch.ts";
import { uuidOf } from "../engine/rows/transaction-id.ts";

/** Ends of ranges lie behind positions, and must be exact numbers too. */
const MAX_POSITION = BigInt(Number.MAX_SAFE_INTEGER) - 100_000n;

/** Returns the reason why a text is not the id of a stored transaction; see transaction-id.ts. */
function idProblem(id: string): string | undefined {
  const uuid = uuidOf(id);
  if (id.length !== uuid.length && !/^[0-9a-f]{16}$/.test(id.slice(uuid.length)))
    return "has an invalid mark of its writer";
  return uuid === uuid.toLowerCase() ? uuidProblem(uuid) : "is not in lower case";
}

/** A message that contradicts the format, or the messages before it. */
export class FormatError extends Error {}

/**
 * Checks the chunks of one space, in their order. Positions, numbers and times rise from batch to batch, and stay
 * within the bounds of the space.
 */
export class SpaceCheck {
  readonly space: string;
  readonly facts: SpaceFacts;
  /** Entries so far. */
  count = 0;
  #last: EncodedBatch | undefined;

  /** @throws FormatError, as all methods */
  constructor(start: SpaceStart) {
    this.space = this.#name("a space", start.space);
    const position = (value: bigint) => this.#position(value);
    this.facts = {
      since: {
        offset: position(start.sinceOffset),
        number: position(start.sinceNumber),
        timeMicros: this.#time(start.sinceTime),
      },
      lastOffset: position(start.lastOffset),
      lastNumber: position(start.lastNumber),
      lastTimeMicros: this.#time(start.lastTime),
      firstOffset: position(start.firstOffset),
      deletedOffset: position(start.deletedOffset),
    };
    const { since, lastOffset, firstOffset, deletedOffset } = this.facts;
    const ordered = since.offset <= lastOffset && firstOffset <= lastOffset + 1 && deletedOffset <= lastOffset;
    if (!ordered || firstOffset === 0)
      throw new FormatError(`the positions of space "${this.space}" contradict each other`);
  }

  segments(states: readonly SegmentState[]): SegmentFacts[] {
    return states.map(({ segment, firstSequence, lastOffset, lastTime, unlisted }) => ({
      segment: this.#name("a segment", segment),
      firstSequence: Math.max(1, this.#position(firstSequence)),
      lastOffset: Math.min(this.#position(lastOffset), this.facts.lastOffset),
      lastTimeMicros: this.#time(lastTime),
      unlisted,
    }));
  }

  /** @param message an encoded `Entries` */
  entries(message: Uint8Array): EncodedBatch[] {
    const batches: EncodedBatch[] = [];
    const reader = new WireReader(message);
    while (reader.more) {
      if (reader.tag() !== 1) throw new FormatError(`entries have an unknown field ${reader.field}`);
      reader.expect(WIRE_LENGTH);
      const batch = parseBatch(reader.bytes());
      this.#checkBatch(batch);
      batches.push(batch);
      this.count += batch.count;
    }
    return batches;
  }

  transactions(transactions: readonly StoredTransaction[]): RememberedTransaction[] {
    return transactions.map(({ id, number, commitTime, ranges }) => {
      const problem = idProblem(id);
      if (problem !== undefined) throw new FormatError(`the id of transaction ${number} ${problem}`);
      return {
        id,
        number: this.#position(number),
        commitTimeMicros: this.#time(commitTime),
        ranges: ranges.map((range) => ({
          segment: this.#name("a segment", range.segment),
          firstSequence: this.#position(range.firstSequence),
          lastSequence: this.#position(range.lastSequence),
          firstOffset: this.#position(range.firstOffset),
        })),
      };
    });
  }

  /** @returns the last offset at which the space was deleted */
  end(end: SpaceEnd): number {
    const { space, count } = this;
    if (end.entries !== BigInt(count)) {
      throw new FormatError(`space "${space}" should have ${end.entries} entries in the file, and has ${count}`);
    }
    return Math.min(this.#position(end.deletedOffset), this.facts.lastOffset);
  }

  #checkBatch(batch: EncodedBatch): void {
    const { space, facts } = this;
    if (batch.space !== space)
      throw new FormatError(`entries of space "${batch.space}" among those of space "${space}"`);
    this.#name("a segment", batch.segment);
    const first = Math.max(this.#last?.lastOffset ?? 0, facts.since.offset, facts.firstOffset - 1) + 1;
    const { firstOffset, lastOffset, firstSequence, count } = batch;
    if (count === 0 || firstSequence < 1 || firstOffset < first || lastOffset > facts.lastOffset) {
      throw new FormatError(
        `space "${space}" has entries with offsets ${firstOffset} to ${lastOffset}; expected them from ${first} to ${facts.lastOffset}`,
      );
    }
    const { transactionNumber, commitTimeMicros } = batch;
    const last = this.#last;
    const same = last?.transactionNumber === transactionNumber;
    const isOrdered = same
      ? last?.commitTimeMicros === commitTimeMicros && last.transactionId === batch.transactionId
      : transactionNumber > (last?.transactionNumber ?? facts.since.number) &&
        commitTimeMicros > (last?.commitTimeMicros ?? facts.since.timeMicros);
    if (!isOrdered || transactionNumber > facts.lastNumber || commitTimeMicros > facts.lastTimeMicros) {
      throw new FormatError(
        `space "${space}" has transaction ${transactionNumber} out of order at offset ${firstOffset}: numbers and commit times rise`,
      );
    }
    const problem = idProblem(batch.transactionId);
    if (problem !== undefined) throw new FormatError(`the id of transaction ${transactionNumber} ${problem}`);
    checkRecords(batch.segment, batch.pieces[1]);
    this.#last = batch;
  }

  #name(what: string, name: string): string {
    const violation = nameViolation(name, what);
    if (violation !== undefined) throw new FormatError(`the name of ${what} ${violation.description}`);
    return name;
  }

  #position(value: bigint): number {
    if (value > MAX_POSITION) throw new FormatError(`${value} is too large for a position`);
    return Number(value);
  }

  #time(value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError(`${value} is too large for a time`);
    return Number(value);
  }
}
