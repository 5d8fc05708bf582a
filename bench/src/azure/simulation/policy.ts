/**
 * The engine's policy for committing a group of appends, and nothing else. This is the only file to adapt when the
 * engine changes. It follows server/src/engine/space/space-log.ts and space-state.ts.
 */
import type { Contention } from "../../../../server/src/engine/commit/contention.ts";

/**
 * Appends of one small record, without expectation, that may share a commit. The engine uses 90 operations: it reserves
 * 4 for the fixed part of the group, and needs 3 for each append.
 */
export const MAX_GROUP_APPENDS = 28;
const MAX_UNKNOWN = 3;
const MAX_PAUSE_MILLIS = 2_000;
const MAX_CONFLICT_MILLIS = 30_000;

/** One operation. The next one follows its answer. */
export type Step =
  /** Sends the group, on the condition that the head is the known one. */
  | { readonly kind: "commit" }
  /** Reads the head and the missed part of the log at the same time. Afterwards the instance knows both. */
  | { readonly kind: "catchUp" }
  /** Sends some point reads at the same time. */
  | { readonly kind: "read"; readonly count: number }
  | { readonly kind: "pause"; readonly millis: number };

export type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "committed"; readonly millis: number }
  | { readonly kind: "conflict"; readonly millis: number }
  /** Refused because of too many requests. */
  | { readonly kind: "throttled"; readonly millis: number; readonly retryAfterMillis: number }
  /** The head was read. `changed` is true if it differs from the previous one. */
  | { readonly kind: "caughtUp"; readonly changed: boolean };

/** The knowledge of one instance about one space. */
export interface Writer {
  /** Client writers for whose segments the head is known. */
  readonly segments: Set<number>;
  /** True if all transactions of the dedupe window are known. Otherwise a doubt requires a look-up for each append. */
  readonly dedupeComplete: boolean;
  readonly contention: Contention;
  readonly now: () => number;
}

/** Rows of a commit, for writers with one segment each: two of the space, three for each append. */
export function rowsOf(appends: number): number {
  return 2 + 3 * appends;
}

/**
 * Commits a group. Returns true once it is committed, false if the engine gives up and the clients have to try again.
 *
 * @param members the client writers of the group; from the second call on also new ones that fit in
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
    // The missed log entries update the heads of segments, so no head has to be read again.
    if (state.kind === "caughtUp" && state.changed) contention.others();
  }
}

function* pause(millis: number): Generator<Step, void, Answer> {
  if (millis >= 1) yield { kind: "pause", millis };
}
