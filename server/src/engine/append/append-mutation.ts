import { storageUnavailable } from "../../errors.ts";
import type { Draft } from "../commit/draft.ts";
import type { EarlierAttempts, Mutation, SessionOrder } from "../commit/group-commit.ts";
import { findBatchAt } from "../read/read-segment.ts";
import { readSpace } from "../read/read-space.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { transactionKey } from "../rows/key-space.ts";
import { type CommittedRange, type CommittedTransaction, decodeCommittedTransaction } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";
import {
  type AppendTransaction,
  applyAppend,
  checkTokens,
  isFencedOnly,
  isFoundByExpectation,
  needsRow,
} from "./append.ts";

/** What the writer learns. */
export interface AppendResult extends CommittedTransaction {
  readonly id: string;
  readonly deduplicated: boolean;
}

/** An append on its way to its commit: exactly-once by transaction id (G7). */
export class AppendMutation implements Mutation<AppendResult> {
  readonly segments: readonly string[];
  readonly bytes: number;
  readonly operations: number;
  readonly session: SessionOrder | undefined;
  readonly #log: SpaceLog;
  readonly #transaction: AppendTransaction;
  #earlier: CommittedTransaction | undefined;
  /** The row of the transaction must be new: nobody has looked whether there is one. */
  #onlyIfAbsent = false;
  /** True when an earlier attempt of this very request may have been written. */
  #maybeApplied = false;
  /** What this very request may have become: its attempts, from the first with an unknown outcome on. */
  #attempts: Pick<CommittedTransaction, "commitId" | "commitTime">[] = [];

  constructor(log: SpaceLog, transaction: AppendTransaction, session?: SessionOrder) {
    this.#log = log;
    this.#transaction = transaction;
    this.session = session;
    this.segments = transaction.appends.map((append) => append.segment);
    let bytes = 0;
    for (const append of transaction.appends) bytes += append.records.length + 2 * append.segment.length + 200;
    this.bytes = bytes;
    // Head and block per segment, and the remembered transaction.
    this.operations = 2 * transaction.appends.length + (needsRow(transaction) ? 1 : 0);
  }

  get unread(): boolean {
    return this.#onlyIfAbsent;
  }

  /** Looks for an earlier commit of the same transaction where memory cannot tell. */
  async prepare({ outcomeUnknown, inDoubt }: EarlierAttempts): Promise<void> {
    const { repeatable, id } = this.#transaction;
    this.#earlier = undefined;
    this.#onlyIfAbsent = false;
    this.#maybeApplied = outcomeUnknown;
    if (!outcomeUnknown) this.#attempts = [];
    const { tokens } = this.#log;
    if (this.#transaction.appends.some(({ fencingToken = 0n }) => fencingToken > tokens.allowed))
      await tokens.refresh();
    if (!repeatable && outcomeUnknown) this.#checkTold();
    if (!repeatable || this.#log.head.lastOffset === 0) return;
    const known = this.#log.recent.get(id);
    // What was learned from the log of another instance has no ranges of segments that were fenced only.
    const complete = known !== undefined && this.#transaction.appends.every((a) => !isFencedOnly(a) || has(known, a));
    if (complete) return;
    // Where a condition costs nothing, the commit itself finds out whether the transaction is remembered.
    if (
      known === undefined &&
      this.#log.shared &&
      !outcomeUnknown &&
      !inDoubt &&
      !isFoundByExpectation(this.#transaction)
    ) {
      this.#onlyIfAbsent = !this.#log.recent.isCompleteSince(this.#log.dedupeStart);
      return;
    }
    this.#earlier = await this.#findRemembered(known !== undefined);
    if (this.#earlier === undefined && known === undefined && isFoundByExpectation(this.#transaction)) {
      this.#earlier = await this.#findByExpectation();
    }
  }

  apply(draft: Draft): AppendResult {
    const { id, repeatable } = this.#transaction;
    if (repeatable || this.#maybeApplied) {
      const earlier = draft.transactions.get(id) ?? this.#earlier ?? this.#log.recent.get(id);
      if (earlier !== undefined && this.#isStated(earlier, draft)) {
        // After a commit with unknown outcome, what is found may be what this very request wrote.
        const own = this.#attempts.some(({ commitId }) => commitId === earlier.commitId);
        return { ...earlier, ranges: this.#align(earlier.ranges), id, deduplicated: !own };
      }
    }
    checkTokens(this.#transaction, this.#log.tokens.allowed);
    const result = applyAppend(draft, this.#transaction, this.#log.clock());
    this.#attempts.push(result);
    if (repeatable) {
      draft.transactions.set(id, result);
      if (needsRow(this.#transaction)) draft.remember(id, result, this.#onlyIfAbsent);
    }
    return { ...result, id, deduplicated: false };
  }

  /**
   * G3: what the server made the id of is remembered nowhere but in the log. Where that was not read since an attempt,
   * nothing tells whether it has happened, and it must not be made again.
   */
  #checkTold(): void {
    const { recent } = this.#log;
    const earliest = Math.min(...this.#attempts.map(({ commitTime }) => commitTime));
    if (recent.get(this.#transaction.id) !== undefined || recent.isCompleteSince(earliest - 1)) return;
    throw storageUnavailable("an append was not answered, and is not remembered: it may have happened");
  }

  /** @param committed it is known to be committed, so that there must be a row within the window */
  async #findRemembered(committed: boolean): Promise<CommittedTransaction | undefined> {
    if (!needsRow(this.#transaction)) return undefined;
    const start = this.#log.dedupeStart;
    if (!committed && this.#log.recent.isCompleteSince(start)) return undefined;
    const row = await this.#log.store.get(this.#log.partition, transactionKey(this.#transaction.id));
    const found = row && decodeCommittedTransaction(row.value);
    return found !== undefined && found.commitTime >= start ? found : undefined;
  }

  /** G7: a retry fails its own expectation, and the block right after the expected sequence carries its id. */
  async #findByExpectation(): Promise<CommittedTransaction | undefined> {
    const append = this.#transaction.appends.find((a) => a.count > 0 && a.expectedLastSequence !== undefined);
    if (append?.expectedLastSequence === undefined) return undefined;
    const head = await this.#log.segmentHead(append.segment);
    if (append.expectedLastSequence >= BigInt(head.lastSequence)) return undefined;
    const sequence = Number(append.expectedLastSequence) + 1;
    if (sequence < head.firstSequence) {
      if (this.#attempts.length > 0)
        throw storageUnavailable("an append was not answered, and is trimmed if it has happened");
      return undefined;
    }
    const batch = await findBatchAt(this.#log, append.segment, sequence);
    if (batch === undefined || batch.transactionId !== this.#transaction.id) return undefined;
    const offset = batch.firstOffset + (sequence - batch.firstSequence);
    return this.#reconstruct(batch, offset - this.#recordsBefore(append.segment));
  }

  /** Records of the segments before this one in the request: how far its offsets are from the transaction's first. */
  #recordsBefore(segment: string): number {
    const index = this.segments.indexOf(segment);
    return this.#transaction.appends.slice(0, index).reduce((sum, append) => sum + append.count, 0);
  }

  /**
   * States the result of a committed transaction again. Offsets follow from the order of the request, sequences from
   * expectations, or from what the log still has of the segment; undefined when a trim took the last trace of one.
   */
  async #reconstruct(committed: EncodedBatch, firstOffset: number): Promise<CommittedTransaction | undefined> {
    const { appends } = this.#transaction;
    const records = appends.reduce((sum, append) => sum + append.count, 0);
    const retained = new Map<string, EncodedBatch>();
    const from = Math.max(this.#log.firstOffset, firstOffset);
    const through = Math.min(this.#log.head.lastOffset, firstOffset + records - 1);
    for await (const page of readSpace(this.#log, from, through)) {
      for (const batch of page.batches) {
        if (batch.transactionNumber === committed.transactionNumber) retained.set(batch.segment, batch);
      }
    }
    const ranges: CommittedRange[] = [];
    let offset = firstOffset;
    for (const { segment, count, expectedLastSequence } of appends) {
      if (count === 0) continue;
      const batch = retained.get(segment);
      let firstSequence: number;
      if (expectedLastSequence !== undefined) firstSequence = Number(expectedLastSequence) + 1;
      else if (batch !== undefined) firstSequence = batch.firstSequence - (batch.firstOffset - offset);
      else return undefined;
      ranges.push({ segment, firstSequence, lastSequence: firstSequence + count - 1, firstOffset: offset });
      offset += count;
    }
    const { transactionNumber: number, commitTime } = committed;
    // Only the space log has it; where all of it was trimmed, the request is a late one.
    const commitId = retained.values().next().value?.commitId ?? 0n;
    return { number, commitTime, ranges, commitId };
  }

  /**
   * Whether the log still states the result of a committed transaction that has no row, by the rules of
   * `#findByExpectation`. Memory may know more: then the answer would depend on whether the server was started since.
   */
  #isStated({ ranges }: CommittedTransaction, draft: Draft): boolean {
    if (needsRow(this.#transaction) || this.#attempts.length > 0) return true;
    const written = this.#transaction.appends.filter((append) => append.count > 0);
    const found = written.find((append) => append.expectedLastSequence !== undefined);
    return written.every((append) => {
      const { firstSequence } = draft.segment(append.segment);
      if (append === found) return BigInt(firstSequence) <= (append.expectedLastSequence ?? 0n) + 1n;
      if (append.expectedLastSequence !== undefined) return true;
      const range = ranges.find(({ segment }) => segment === append.segment);
      return range === undefined || range.lastSequence >= firstSequence;
    });
  }

  /** Brings ranges that were found in the log into the order of the request, with those of unwritten segments. */
  #align(found: readonly CommittedRange[]): readonly CommittedRange[] {
    const bySegment = new Map(found.map((range) => [range.segment, range]));
    const { appends } = this.#transaction;
    // Another request came with the same id: what was committed is the truth.
    if (found.some((range) => !this.segments.includes(range.segment))) return found;
    return appends.map(({ segment, expectedLastSequence }) => {
      const range = bySegment.get(segment);
      if (range !== undefined) return range;
      // The log has no trace of a segment that was only conditioned; what the condition said held at commit.
      const lastSequence = Number(expectedLastSequence ?? 0n);
      return { segment, firstSequence: lastSequence + 1, lastSequence, firstOffset: 0 };
    });
  }
}

function has(transaction: CommittedTransaction, { segment }: { segment: string }): boolean {
  return transaction.ranges.some((range) => range.segment === segment);
}
