import { ImportConflictError } from "../../errors.ts";
import type { Draft } from "../commit/draft.ts";
import type { Mutation } from "../commit/group-commit.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { headAfter } from "../rows/heads.ts";
import { transactionKey } from "../rows/key-space.ts";
import type { SpaceLog } from "../space/space-log.ts";
import type { RememberedTransaction } from "./facts.ts";

/** All batches of one transaction that still exist, in offset order. */
export type CopiedTransaction = readonly [first: EncodedBatch, ...rest: EncodedBatch[]];

/** Writes transactions with the positions, times and numbers that they have in the copy. */
export class CopyTransactionsMutation implements Mutation<void> {
  readonly segments: readonly string[];
  readonly bytes: number;
  readonly operations: number;
  readonly #after: number;
  readonly #transactions: readonly CopiedTransaction[];

  /** @param after last offset of the space before the transactions */
  constructor(after: number, transactions: readonly CopiedTransaction[]) {
    this.#after = after;
    this.#transactions = transactions;
    const segments = new Set<string>();
    let bytes = 0;
    for (const transaction of transactions) {
      for (const batch of transaction) {
        segments.add(batch.segment);
        bytes += batch.byteLength;
      }
    }
    this.segments = [...segments];
    this.bytes = bytes;
    this.operations = 2 * segments.size;
  }

  apply(draft: Draft): void {
    const last = this.#transactions[this.#transactions.length - 1][0];
    const { lastOffset, lastNumber, lastTimeMicros } = draft.head;
    // An earlier attempt, whose outcome was unknown, wrote them.
    if (lastNumber === last.transactionNumber && lastTimeMicros === last.commitTimeMicros) return;
    if (lastOffset !== this.#after) {
      throw new ImportConflictError(
        `space "${draft.space}" has grown during the import, from offset ${this.#after} to ${lastOffset}; nothing else may write to it until the import ends`,
      );
    }
    this.#checkSequences(draft);
    for (const transaction of this.#transactions) append(draft, transaction);
    draft.copied = true;
  }

  /** A refused mutation leaves the draft unchanged, so the check comes first. */
  #checkSequences(draft: Draft): void {
    const next = new Map<string, number>();
    for (const { segment, firstSequence, lastSequence } of this.#transactions.flat()) {
      const expected = next.get(segment) ?? draft.segment(segment).lastSequence + 1;
      if (firstSequence !== expected) {
        throw new ImportConflictError(
          `segment "${segment}" of space "${draft.space}" has changed during the import: its next sequence is ${expected}, and the import goes on with ${firstSequence}`,
        );
      }
      next.set(segment, lastSequence + 1);
    }
  }
}

function append(draft: Draft, transaction: CopiedTransaction): void {
  let { lastOffset, segmentCount } = draft.head;
  const [{ transactionNumber, commitTimeMicros }] = transaction;
  for (const batch of transaction) {
    const head = draft.segment(batch.segment);
    if (head.unlisted) segmentCount++;
    draft.append(batch, headAfter(head, batch));
    lastOffset = batch.lastOffset;
  }
  const lastNumber = transactionNumber;
  draft.head = { ...draft.head, lastOffset, segmentCount, lastNumber, lastTimeMicros: commitTimeMicros };
}

/** Writes the results of transactions that are in the dedupe window (G7). Rows that exist stay. */
export class RememberMutation implements Mutation<void> {
  readonly segments: readonly string[] = [];
  readonly bytes: number;
  readonly operations: number;
  readonly #log: SpaceLog;
  readonly #transactions: readonly RememberedTransaction[];
  #missing: readonly RememberedTransaction[] = [];

  constructor(log: SpaceLog, transactions: readonly RememberedTransaction[]) {
    this.#log = log;
    this.#transactions = transactions;
    this.operations = transactions.length;
    let bytes = 0;
    for (const { ranges } of transactions) for (const { segment } of ranges) bytes += 100 + segment.length;
    this.bytes = bytes;
  }

  async prepare(): Promise<void> {
    const keys = this.#transactions.map(({ id }) => transactionKey(id));
    const rows = await this.#log.store.getMany(this.#log.partition, keys);
    this.#missing = this.#transactions.filter((_, index) => rows[index] === undefined);
  }

  apply(draft: Draft): void {
    if (this.#missing.length === 0) return;
    for (const { id, ...result } of this.#missing) draft.remember(id, { ...result, commitId: 0n }, false);
    // The commit must be a change: other instances, and this one, may have looked for the rows before.
    draft.reposition({});
  }
}
