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
} from "./apply-append.ts";

/** Result of an append, as its writer gets it. */
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
  /** True if the commit requires that the transaction has no row yet, because no attempt has looked the row up. */
  #onlyIfAbsent = false;
  /** True if an earlier attempt of this request may have been written. */
  #maybeApplied = false;
  /** Attempts of this request, starting with the first whose outcome is unknown. */
  #attempts: Pick<CommittedTransaction, "commitId" | "commitTimeMicros">[] = [];

  constructor(log: SpaceLog, transaction: AppendTransaction, session?: SessionOrder) {
    this.#log = log;
    this.#transaction = transaction;
    this.session = session;
    this.segments = transaction.appends.map((append) => append.segment);
    let bytes = 0;
    for (const append of transaction.appends) bytes += append.records.length + 2 * append.segment.length + 200;
    this.bytes = bytes;
    // Head and block per segment, and the row of the remembered transaction.
    this.operations = 2 * transaction.appends.length + (needsRow(transaction) ? 1 : 0);
  }

  get unread(): boolean {
    return this.#onlyIfAbsent;
  }

  /** Looks for an earlier commit of the same transaction if memory cannot tell. */
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
    // Results learned from the log of another instance lack the ranges of segments that are only fenced.
    const complete = known !== undefined && this.#transaction.appends.every((a) => !isFencedOnly(a) || has(known, a));
    // Memory may lose the result before `apply` looks.
    this.#earlier = known;
    if (complete) return;
    // On a shared store a condition costs nothing: the commit itself finds out whether the transaction has a row.
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
    this.#earlier = (await this.#findRemembered(known !== undefined)) ?? known;
    if (this.#earlier === undefined && known === undefined && isFoundByExpectation(this.#transaction)) {
      this.#earlier = await this.#findByExpectation();
    }
  }

  apply(draft: Draft): AppendResult {
    const { id, repeatable } = this.#transaction;
    if (repeatable || this.#maybeApplied) {
      const earlier = draft.transactions.get(id) ?? this.#earlier ?? this.#log.recent.get(id);
      if (earlier !== undefined && this.#isStated(earlier, draft)) {
        // After a commit with an unknown outcome, the transaction found may be an attempt of this request.
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
   * G3: only the log records an id that the server made. If this instance has not read the whole log since the first
   * attempt, the outcome stays unknown, and the append must not happen a second time.
   *
   * @throws ServerError STORAGE_UNAVAILABLE when the outcome stays unknown
   */
  #checkTold(): void {
    const { recent } = this.#log;
    const earliest = Math.min(...this.#attempts.map(({ commitTimeMicros }) => commitTimeMicros));
    if (recent.get(this.#transaction.id) !== undefined || recent.isCompleteSince(earliest - 1)) return;
    throw storageUnavailable(
      "the outcome of the append is unknown: storage did not answer the commit, and the log since then was not read in full",
    );
  }

  /** @param committed true if memory has the transaction: within the dedupe window it then has a row */
  async #findRemembered(committed: boolean): Promise<CommittedTransaction | undefined> {
    if (!needsRow(this.#transaction)) return undefined;
    const start = this.#log.dedupeStart;
    if (!committed && this.#log.recent.isCompleteSince(start)) return undefined;
    const row = await this.#log.store.get(this.#log.partition, transactionKey(this.#transaction.id));
    const found = row && decodeCommittedTransaction(row.value);
    return found !== undefined && found.commitTimeMicros >= start ? found : undefined;
  }

  /** G7: the expectation of a retry no longer holds, and the block right after the expected sequence carries its id. */
  async #findByExpectation(): Promise<CommittedTransaction | undefined> {
    const append = this.#transaction.appends.find((a) => a.count > 0 && a.expectedLastSequence !== undefined);
    if (append?.expectedLastSequence === undefined) return undefined;
    const head = await this.#log.segmentHead(append.segment);
    if (append.expectedLastSequence >= BigInt(head.lastSequence)) return undefined;
    const sequence = Number(append.expectedLastSequence) + 1;
    if (sequence < head.firstSequence) {
      if (this.#attempts.length > 0)
        throw storageUnavailable(
          "the outcome of the append is unknown: storage did not answer the commit, and any committed entries were trimmed since",
        );
      return undefined;
    }
    const batch = await findBatchAt(this.#log, append.segment, sequence);
    if (batch === undefined || batch.transactionId !== this.#transaction.id) return undefined;
    const offset = batch.firstOffset + (sequence - batch.firstSequence);
    return this.#reconstruct(batch, offset - this.#recordsBefore(append.segment));
  }

  /** Records of the request before this segment: the distance of its first offset from that of the transaction. */
  #recordsBefore(segment: string): number {
    const index = this.segments.indexOf(segment);
    return this.#transaction.appends.slice(0, index).reduce((sum, append) => sum + append.count, 0);
  }

  /**
   * Rebuilds the result of a committed transaction. Offsets follow from the order of the request. Sequences follow from
   * expectations, or from the blocks that the log still has of the segment. Returns undefined when a trim removed the
   * last trace of a segment.
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
    const { transactionNumber: number, commitTimeMicros } = committed;
    // Only the space log stores the commit id. A trim of all its entries leaves none: the request is then a late retry.
    const commitId = retained.values().next().value?.commitId ?? 0n;
    return { number, commitTimeMicros, ranges, commitId };
  }

  /**
   * True if the log still states the result of a committed transaction without a row, by the rules of
   * `#findByExpectation`. Memory may know more, but the answer must not depend on the time since the server started.
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

  /** Orders the ranges found in the log as in the request, and adds ranges of unwritten segments. */
  #align(found: readonly CommittedRange[]): readonly CommittedRange[] {
    const bySegment = new Map(found.map((range) => [range.segment, range]));
    const { appends } = this.#transaction;
    // Another request had the same id: the committed ranges are the result.
    if (found.some((range) => !this.segments.includes(range.segment))) return found;
    return appends.map(({ segment, expectedLastSequence }) => {
      const range = bySegment.get(segment);
      if (range !== undefined) return range;
      // The log has no trace of a segment with only an expectation. The expectation held at commit.
      const lastSequence = Number(expectedLastSequence ?? 0n);
      return { segment, firstSequence: lastSequence + 1, lastSequence, firstOffset: 0 };
    });
  }
}

function has(transaction: CommittedTransaction, { segment }: { segment: string }): boolean {
  return transaction.ranges.some((range) => range.segment === segment);
}
