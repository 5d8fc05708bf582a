import { ImportConflictError } from "../../errors.ts";
import { readSpace } from "../read/read-space.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import type { SpaceLog } from "../space/space-log.ts";

/** Compares the entries of a copy with those that the space has already. The caller asks in offset order. */
export class StoredEntries {
  readonly #log: SpaceLog;
  readonly #through: number;
  #batches: AsyncGenerator<EncodedBatch, void, undefined> | undefined;
  #current: EncodedBatch | undefined;

  /** @param through last offset to compare */
  constructor(log: SpaceLog, through: number) {
    this.#log = log;
    this.#through = through;
  }

  /**
   * Checks entries up to `through`. The space may lack entries that it has removed.
   *
   * @returns true if the space has at least one of the entries
   * @throws ImportConflictError if the space has other entries
   */
  async check(batch: EncodedBatch): Promise<boolean> {
    let found = false;
    const { firstOffset, lastOffset } = batch;
    this.#batches ??= this.#read(firstOffset);
    for (let offset = firstOffset; offset <= lastOffset; ) {
      const stored = await this.#from(offset);
      const missing = Math.min((stored?.firstOffset ?? lastOffset + 1) - 1, lastOffset);
      if (missing >= offset) await this.#checkRemoved(batch, missing);
      if (stored === undefined || stored.firstOffset > lastOffset) break;
      const from = Math.max(offset, stored.firstOffset);
      const through = Math.min(lastOffset, stored.lastOffset);
      if (!isSame(part(stored, from, through), part(batch, from, through))) {
        throw new ImportConflictError(
          `space "${this.#log.space}" has another entry at offset ${from} than the file: transaction ${stored.transactionId} of segment "${stored.segment}", not ${batch.transactionId} of "${batch.segment}"`,
        );
      }
      offset = through + 1;
      found = true;
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#batches?.return();
  }

  /** Entries that the space lacks must be among those that its segment has lost. */
  async #checkRemoved(batch: EncodedBatch, through: number): Promise<void> {
    const head = await this.#log.segmentHead(batch.segment);
    const sequence = batch.firstSequence + (through - batch.firstOffset);
    if (sequence < head.firstSequence) return;
    throw new ImportConflictError(
      `space "${this.#log.space}" has no entry at offset ${through}, which the file has in segment "${batch.segment}"; import it into another store`,
    );
  }

  /** The first stored batch that ends at `offset` or later. */
  async #from(offset: number): Promise<EncodedBatch | undefined> {
    while (this.#batches !== undefined && (this.#current === undefined || this.#current.lastOffset < offset)) {
      const next = await this.#batches.next();
      if (next.done === true) return undefined;
      this.#current = next.value;
    }
    return this.#current;
  }

  async *#read(from: number): AsyncGenerator<EncodedBatch, void, undefined> {
    const first = Math.max(from, this.#log.firstOffset);
    for await (const { batches } of readSpace(this.#log, first, this.#through)) yield* batches;
  }
}

function part(batch: EncodedBatch, from: number, through: number): EncodedBatch {
  return batch.slice(from - batch.firstOffset, through - batch.firstOffset + 1);
}

function isSame(a: EncodedBatch, b: EncodedBatch): boolean {
  return (
    a.segment === b.segment &&
    a.firstSequence === b.firstSequence &&
    a.transactionId === b.transactionId &&
    a.transactionNumber === b.transactionNumber &&
    a.commitTimeMicros === b.commitTimeMicros &&
    Buffer.compare(a.pieces[1], b.pieces[1]) === 0
  );
}
