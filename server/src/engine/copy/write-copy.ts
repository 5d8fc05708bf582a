import { ImportConflictError } from "../../errors.ts";
import { sharedRows } from "../commit/draft.ts";
import type { Mutation } from "../commit/group-commit.ts";
import { TrimMutation } from "../removal/trim.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import type { SpaceHead } from "../rows/heads.ts";
import type { SpaceLog } from "../space/space-log.ts";
import { BeginCopyMutation, changesHead, EndCopyMutation, SegmentFactsMutation } from "./copy-mutations.ts";
import { type CopiedTransaction, CopyTransactionsMutation, RememberMutation } from "./copy-transactions.ts";
import type { RememberedTransaction, SegmentFacts, SpaceFacts } from "./facts.ts";
import { StoredEntries } from "./stored-entries.ts";

/** Bytes of transactions that share a commit. */
const COMMIT_BYTES = 1024 * 1024;
/** Most segments in one commit of states. */
const SEGMENTS_PER_COMMIT = 30;
/** Most results of transactions in one commit. */
const TRANSACTIONS_PER_COMMIT = 500;

/** Runs a change of the store; see `OpenStore.write`. */
export type RunWrite = <T>(change: () => Promise<T>) => Promise<T>;

/**
 * Writes the copy of a space into a space that is empty, or has a first part of the same history. Each commit has whole
 * transactions (G3), so a copy that ends early can be written again: it then continues behind the last commit.
 */
export class CopyWriter {
  readonly #log: SpaceLog;
  readonly #facts: SpaceFacts;
  readonly #write: RunWrite;
  readonly #held: Disposable;
  readonly #stored: StoredEntries;
  readonly #rememberFrom: number;
  /** State of the space when the copy began. Entries up to its last offset are compared. */
  readonly #before: SpaceHead;
  /** True once the space is known to be empty, or to have the history of the copy. */
  #proven: boolean;
  /** True once the copy has changed the space. */
  #begun = false;
  /** States that came before the first change. */
  readonly #waiting: SegmentFacts[] = [];
  #lastOffset: number;
  #open: EncodedBatch[] = [];
  #unit: CopiedTransaction[] = [];
  #unitBytes = 0;
  /** Segment -> next sequence, for the segments of the unit and of the open transaction. */
  readonly #next = new Map<string, number>();
  /** Segment -> first sequence after a gap that no state has explained yet. */
  readonly #gaps = new Map<string, number>();
  #written = 0;

  private constructor(log: SpaceLog, facts: SpaceFacts, write: RunWrite, before: SpaceHead) {
    this.#log = log;
    this.#facts = facts;
    this.#write = write;
    this.#held = log.hold();
    this.#before = before;
    this.#lastOffset = log.head.lastOffset;
    this.#stored = new StoredEntries(log, before.lastOffset);
    this.#rememberFrom = log.dedupeStartAt(facts.lastTimeMicros);
    // A transaction with this number and time is the last one of the space, whether its entries still exist or not.
    const endsWith = (number: number, timeMicros: number) =>
      before.lastNumber === number && before.lastTimeMicros === timeMicros;
    const { since } = facts;
    this.#proven =
      before.lastNumber === 0 ||
      endsWith(since.number, since.timeMicros) ||
      endsWith(facts.lastNumber, facts.lastTimeMicros);
  }

  /**
   * Begins to write a copy.
   *
   * @throws ImportConflictError if the space lacks entries before the copy, or has other ones
   */
  static async begin(log: SpaceLog, facts: SpaceFacts, write: RunWrite): Promise<CopyWriter> {
    const before = await log.sync();
    if (before.lastOffset < facts.since.offset) {
      throw new ImportConflictError(
        `the file continues space "${log.space}" after offset ${facts.since.offset}, and the store has it up to ${before.lastOffset}: import the earlier files first`,
      );
    }
    const writer = new CopyWriter(log, facts, write, before);
    // Nothing to compare: changes begin at once, or never.
    if (before.lastOffset <= facts.since.offset || writer.#proven) {
      try {
        await writer.#begin();
      } catch (error) {
        await writer.close();
        throw error;
      }
    }
    return writer;
  }

  /** Entries written so far. */
  get written(): number {
    return this.#written;
  }

  /** Removes the first entries of segments. */
  async segments(segments: readonly SegmentFacts[]): Promise<void> {
    this.#closeTransaction();
    await this.#flush();
    if (this.#begun) await this.#applySegments(segments);
    else this.#waiting.push(...segments);
  }

  /** Writes entries, in offset order. The last transaction waits until it is complete. */
  async entries(batches: readonly EncodedBatch[]): Promise<void> {
    for (const batch of batches) {
      const known = Math.min(batch.count, this.#before.lastOffset - batch.firstOffset + 1);
      if (known > 0) await this.#compare(batch.slice(0, known));
      if (known < batch.count) await this.#add(batch.slice(Math.max(0, known), batch.count));
    }
  }

  /** Writes the results of transactions, after all entries. */
  async transactions(transactions: readonly RememberedTransaction[]): Promise<void> {
    this.#closeTransaction();
    await this.#flush();
    await this.#begin();
    const recent = transactions.filter(({ commitTimeMicros }) => commitTimeMicros >= this.#rememberFrom);
    const atOnce = Math.min(TRANSACTIONS_PER_COMMIT, this.#log.store.limits.maxOperations - sharedRows(0));
    for (let at = 0; at < recent.length; at += atOnce) {
      await this.#submit(new RememberMutation(this.#log, recent.slice(at, at + atOnce)));
    }
  }

  /**
   * Ends the copy.
   *
   * @throws ImportConflictError if the copy lacks entries of a segment, and no state says that they were removed
   */
  async end(deletedOffset: number): Promise<void> {
    this.#closeTransaction();
    await this.#flush();
    await this.#begin();
    for (const [segment, sequence] of this.#gaps) {
      throw new ImportConflictError(
        `the file lacks entries of segment "${segment}" before sequence ${sequence}, and does not say that they were removed`,
      );
    }
    await this.#submit(new EndCopyMutation(this.#facts));
    if (deletedOffset > this.#facts.deletedOffset) {
      await this.#submit(new BeginCopyMutation({ firstOffset: 1, deletedOffset }));
    }
  }

  /** Releases the space. */
  async close(): Promise<void> {
    this.#held[Symbol.dispose]();
    await this.#stored.close();
  }

  /** Changes the space for the first time, once it is known to have the history of the copy. */
  async #begin(): Promise<void> {
    if (this.#begun) return;
    if (!this.#proven) {
      throw new ImportConflictError(
        `nothing in the file shows that space "${this.#log.space}" of the store has the same history; import an export that continues at offset ${this.#before.lastOffset}, or import into an empty store`,
      );
    }
    this.#begun = true;
    await this.#submit(new BeginCopyMutation(this.#facts));
    this.#lastOffset = this.#log.head.lastOffset;
    await this.#applySegments(this.#waiting.splice(0));
  }

  async #applySegments(segments: readonly SegmentFacts[]): Promise<void> {
    let group: SegmentFacts[] = [];
    for (const facts of segments) {
      const { segment, firstSequence } = facts;
      if ((this.#gaps.get(segment) ?? Number.POSITIVE_INFINITY) <= firstSequence) this.#gaps.delete(segment);
      const head = await this.#log.segmentHead(segment);
      if (!changesHead(head, facts)) continue;
      if (firstSequence <= head.lastSequence) {
        await this.#submit(new TrimMutation(this.#log, segment, firstSequence));
        continue;
      }
      group.push(facts);
      if (group.length < SEGMENTS_PER_COMMIT) continue;
      await this.#submit(new SegmentFactsMutation(group));
      group = [];
    }
    if (group.length > 0) await this.#submit(new SegmentFactsMutation(group));
  }

  async #compare(batch: EncodedBatch): Promise<void> {
    const same = await this.#stored.check(batch);
    const { lastNumber, lastTimeMicros } = this.#before;
    const isLast = batch.transactionNumber === lastNumber && batch.commitTimeMicros === lastTimeMicros;
    if (same || isLast) this.#proven = true;
  }

  async #add(batch: EncodedBatch): Promise<void> {
    await this.#begin();
    if (this.#open.length > 0 && this.#open[0].transactionNumber !== batch.transactionNumber) {
      this.#closeTransaction();
      if (this.#isFull()) await this.#flush();
    }
    const { segment, firstSequence, lastSequence } = batch;
    const pending = this.#next.get(segment);
    const head = pending === undefined ? await this.#log.segmentHead(segment) : undefined;
    const next = pending ?? (head?.lastSequence ?? 0) + 1;
    if (firstSequence < next) {
      // The entries were removed while the file was written, and an earlier state says so.
      const gone = (head?.firstSequence ?? 1) - firstSequence;
      if (gone >= batch.count) return;
      if (gone > 0 && firstSequence + gone === next) return this.#add(batch.slice(gone, batch.count));
      throw new ImportConflictError(
        `segment "${segment}" of space "${batch.space}" has sequence ${firstSequence} already, and the file has it again at offset ${batch.firstOffset}`,
      );
    }
    if (firstSequence > next) await this.#skip(batch);
    this.#next.set(segment, lastSequence + 1);
    this.#open.push(batch);
  }

  /** The entries before a batch were removed while the file was written. */
  async #skip({ segment, firstSequence }: EncodedBatch): Promise<void> {
    // Complete transactions before the gap go first. The open one has at most one batch of each segment.
    await this.#flush();
    const facts = { segment, firstSequence, lastOffset: 0, lastTimeMicros: 0, unlisted: false };
    await this.#submit(new SegmentFactsMutation([facts]));
    this.#gaps.set(segment, firstSequence);
  }

  #closeTransaction(): void {
    const [first, ...rest] = this.#open;
    if (first === undefined) return;
    this.#unit.push([first, ...rest]);
    for (const batch of this.#open) this.#unitBytes += batch.byteLength;
    this.#open = [];
  }

  #isFull(): boolean {
    const { maxBatchBytes, maxOperations } = this.#log.store.limits;
    // Small batches are stored twice. One more transaction must still fit.
    const bytes = Math.min(COMMIT_BYTES, maxBatchBytes / 8);
    if (this.#unitBytes >= bytes) return true;
    return 2 * this.#next.size >= (maxOperations - sharedRows(2 * bytes)) / 2;
  }

  /** Commits the complete transactions. */
  async #flush(): Promise<void> {
    if (this.#unit.length === 0) return;
    const unit = this.#unit;
    this.#log.assertRoom();
    await this.#submit(new CopyTransactionsMutation(this.#lastOffset, unit));
    const last = unit[unit.length - 1];
    this.#lastOffset = last[last.length - 1].lastOffset;
    for (const transaction of unit) for (const { count } of transaction) this.#written += count;
    this.#unit = [];
    this.#unitBytes = 0;
    this.#next.clear();
    for (const { segment, lastSequence } of this.#open) this.#next.set(segment, lastSequence + 1);
  }

  #submit<T>(mutation: Mutation<T>): Promise<T> {
    return this.#write(() => this.#log.submit(mutation));
  }
}
