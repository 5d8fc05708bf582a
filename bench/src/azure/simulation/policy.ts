/**
 * What an instance does to get a group of appends committed: the engine's policy, and nothing else, so that this is the
 * one file to adapt when the engine changes. As server/src/engine/space/space-log.ts and space-state.ts.
 */
import type { Contention } from "../../../../server/src/engine/commit/contention.ts";

/**
 * Appends of one small record, without expectation, that may share a commit: the engine uses 90 operations, keeps 4 of
 * them for what the group has once, and needs 3 for each append.
 */
export const MAX_GROUP_APPENDS = 28;
const MAX_UNKNOWN = 3;
const MAX_PAUSE_MILLIS = 2_000;
const MAX_CONFLICT_MILLIS = 30_000;

/** One thing to do; the next follows its answer. */
export type Step =
  /** Sends the group, on condition that the head is as this instance knows it. */
  | { readonly kind: "commit" }
  /** Reads the head and what was missed of the log at the same time; both are from then on what this instance knows. */
  | { readonly kind: "catchUp" }
  /** Sends some point reads at the same time. */
  | { readonly kind: "read"; readonly count: number }
  | { readonly kind: "pause"; readonly millis: number };

export type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "committed"; readonly millis: number }
  | { readonly kind: "conflict"; readonly millis: number }
  /** Too many requests. */
  | { readonly kind: "throttled"; readonly millis: number; readonly retryAfterMillis: number }
  /** The head was read: whether it is another one than before. */
  | { readonly kind: "caughtUp"; readonly changed: boolean };

/** One instance on one space: what it knows and what it remembers. */
export interface Writer {
  /** Client writers whose segment's head is known. */
  readonly segments: Set<number>;
  /** Whether all transactions of the dedupe window are known; if not, doubt leads to a look-up of each append. */
  readonly dedupeComplete: boolean;
  readonly contention: Contention;
  readonly now: () => number;
}

/** Rows of a commit, for writers that write one segment each: two of the space, three for each append. */
export function rowsOf(appends: number): number {
  return 2 + 3 * appends;
}

/**
 * Commits a group: true when it is committed, false when the engine gives up and the clients have to try again.
 *
 * @param members the client writers of the group, and, from the second call on, those who have come meanwhile and fit
 *   in
 */
export function* commitGroup(
  members: () => readonly number[],
  { segments, dedupeComplete, contention, now }: Writer,
): Generator<Step, boolean, Answer> {
  yield* pause(contention.pauseBeforeNext());
  const end = now() + MAX_CONFLICT_MILLIS;
  let unknown = 0;
  for (let conflicts = 1; ; conflicts++) {
    const group = members();
    const cold = new Set(group.filter((writer) => !segments.has(writer)));
    if (cold.size > 0) yield { kind: "read", count: cold.size };
    for (const writer of cold) segments.add(writer);
    if (unknown > 0 && !dedupeComplete) yield { kind: "read", count: group.length };

    const answer = yield { kind: "commit" };
    if (answer.kind === "committed") {
      contention.committed(answer.millis);
      return true;
    }
    if (answer.kind !== "conflict" && answer.kind !== "throttled")
      throw new Error(`a commit is never "${answer.kind}"`);
    let { millis } = answer;
    if (answer.kind === "throttled") {
      if (++unknown >= MAX_UNKNOWN) return false;
      const wait = Math.min(MAX_PAUSE_MILLIS, answer.retryAfterMillis);
      yield* pause(wait);
      millis += wait;
    }
    if (now() > end) return false;
    yield* pause(contention.conflicted(millis, conflicts));
    const state = yield { kind: "catchUp" };
    // Heads of segments are brought on from what was missed: nothing has to be read again.
    if (state.kind === "caughtUp" && state.changed) contention.others();
  }
}

function* pause(millis: number): Generator<Step, void, Answer> {
  if (millis >= 1) yield { kind: "pause", millis };
}
