import { ErrorReason, LIMITS } from "@streamkit/protocol";
import { type FieldViolation, invalidField, invalidFields, ServerError } from "../../errors.ts";
import { commitTimeAfter } from "../clock.ts";
import type { Draft } from "../commit/draft.ts";
import { EncodedBatch } from "../rows/batch.ts";
import { headAfter } from "../rows/heads.ts";
import type { CommittedRange, CommittedTransaction } from "../rows/rows.ts";
import type { SegmentAppend } from "./segment-append.ts";

/** One transaction, checked as far as possible without the store. */
export interface AppendTransaction {
  /** A UUID in lower case. */
  readonly id: string;
  /** False when the server made the id, which no client can retry with. */
  readonly repeatable: boolean;
  readonly appends: readonly SegmentAppend[];
}

/**
 * Checks a transaction as a whole.
 *
 * @throws ServerError INVALID_FIELD, TRANSACTION_TOO_LARGE
 */
export function checkTransaction(appends: readonly SegmentAppend[]): void {
  if (appends.length === 0) throw invalidField("appends", "is empty; expected at least one segment");
  let records = 0;
  let bytes = 0;
  let encoded = 0;
  const names = new Set<string>();
  const violations: FieldViolation[] = [];
  appends.forEach((append, index) => {
    records += append.count;
    bytes += append.size;
    encoded += append.records.length;
    if (names.has(append.segment)) {
      const description = `"${append.segment}" occurs twice; expected each segment once`;
      violations.push({ field: `appends[${index}].segment`, description });
    }
    names.add(append.segment);
  });
  if (records === 0) violations.push({ field: "appends", description: "have no records; expected at least one" });
  if (violations.length > 0) throw invalidFields(violations);
  tooLarge("segments", appends.length, LIMITS.maxTransactionSegments);
  tooLarge("records", records, LIMITS.maxTransactionRecords);
  tooLarge("bytes", bytes, LIMITS.maxTransactionBytes);
  tooLarge("encoded bytes", encoded, LIMITS.maxTransactionEncodedBytes);
}

/**
 * Refuses tokens that no lease of the store can have issued: such a token would lock its segment for good.
 *
 * @throws ServerError INVALID_FIELD
 */
export function checkTokens({ appends }: AppendTransaction, allowed: bigint): void {
  const violations = appends.flatMap(({ fencingToken = 0n }, index) => {
    if (fencingToken <= allowed) return [];
    const description = `is ${fencingToken}; expected the token of a lease of this store, and at most ${allowed}`;
    return [{ field: `appends[${index}].fencing_token`, description }];
  });
  if (violations.length > 0) throw invalidFields(violations);
}

function tooLarge(what: string, found: number, limit: number): void {
  if (found <= limit) return;
  const description = `${found} ${what} in one transaction; at most ${limit} are allowed`;
  throw new ServerError(ErrorReason.TRANSACTION_TOO_LARGE, description, {
    fieldViolations: [{ field: "appends", description }],
  });
}

/**
 * True if the committed block identifies a retry for as long as the block is retained. The transaction writes a segment
 * with an expectation: the block right after the expected sequence then has the id of the retry (G7).
 */
export function isFoundByExpectation(transaction: AppendTransaction): boolean {
  return transaction.appends.some((append) => append.count > 0 && append.expectedLastSequence !== undefined);
}

/**
 * True if the result needs a row of its own because blocks do not hold all of it. That is the case when no expectation
 * leads to a block, and when a segment is only fenced: no block holds the last sequence that it had at commit.
 */
export function needsRow(transaction: AppendTransaction): boolean {
  return !isFoundByExpectation(transaction) || transaction.appends.some(isFencedOnly);
}

/** True for a part of a transaction that neither writes nor expects. */
export function isFencedOnly(append: SegmentAppend): boolean {
  return append.count === 0 && append.expectedLastSequence === undefined;
}

/**
 * Applies a transaction to the draft. A refused transaction leaves the draft unchanged (G3, G6).
 *
 * @param now the server's clock, microseconds since 1970
 * @throws ServerError SEQUENCE_MISMATCH, FENCED; INTERNAL when the clock of the server cannot be right
 */
export function applyAppend(draft: Draft, transaction: AppendTransaction, now: number): CommittedTransaction {
  for (const append of transaction.appends) checkConditions(draft, append);

  // G2: commit times are strictly increasing even when the clock is not.
  const commitTimeMicros = commitTimeAfter(draft.head.lastTimeMicros, now);
  const number = draft.head.lastNumber + 1;
  let { lastOffset, segmentCount } = draft.head;
  const ranges: CommittedRange[] = [];
  for (const append of transaction.appends) {
    const head = draft.segment(append.segment);
    const fencingToken = append.fencingToken ?? head.fencingToken;
    if (append.count === 0) {
      if (fencingToken > head.fencingToken) draft.setSegment(append.segment, { ...head, fencingToken });
      ranges.push({
        segment: append.segment,
        firstSequence: head.lastSequence + 1,
        lastSequence: head.lastSequence,
        firstOffset: 0,
      });
      continue;
    }
    const firstSequence = head.lastSequence + 1;
    const firstOffset = lastOffset + 1;
    const batch = new EncodedBatch(
      draft.space,
      {
        segment: append.segment,
        firstSequence,
        firstOffset,
        count: append.count,
        commitTimeMicros,
        transactionId: transaction.id,
        transactionNumber: number,
      },
      append.records,
    );
    lastOffset += append.count;
    const { lastSequence } = batch;
    if (head.unlisted) segmentCount++;
    draft.append(batch, headAfter(head, batch));
    if (fencingToken !== head.fencingToken) {
      draft.setSegment(append.segment, { ...draft.segment(append.segment), fencingToken });
    }
    ranges.push({ segment: append.segment, firstSequence, lastSequence, firstOffset });
  }
  draft.head = { ...draft.head, lastOffset, segmentCount, lastNumber: number, lastTimeMicros: commitTimeMicros };
  return { number, commitTimeMicros, ranges, commitId: draft.commitId };
}

function checkConditions(draft: Draft, append: SegmentAppend): void {
  const head = draft.segment(append.segment);
  const { expectedLastSequence, fencingToken } = append;
  if (fencingToken !== undefined && fencingToken < head.fencingToken) {
    throw new ServerError(
      ErrorReason.FENCED,
      `segment "${append.segment}" has seen fencing token ${head.fencingToken}; this append carries ${fencingToken}`,
      { segment: append.segment },
    );
  }
  const actual = BigInt(head.lastSequence);
  if (expectedLastSequence !== undefined && expectedLastSequence !== actual) {
    throw new ServerError(
      ErrorReason.SEQUENCE_MISMATCH,
      `segment "${append.segment}" has last sequence ${actual}; ${expectedLastSequence} was expected`,
      { segment: append.segment, expectedLastSequence, actualLastSequence: actual },
    );
  }
}
