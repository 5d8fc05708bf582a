/**
 * What an instance does to get a group of appends committed: the engine's policy, and nothing else, so that this is the one
 * file to adapt when the engine changes. As server/src/engine/space-log.ts and space-state.ts.
 */
import type { Random } from "./random.ts";

/** Appends that may share a commit: 89 operations, and the engine reckons with 4 for an append to one segment. */
export const MAX_GROUP_APPENDS = 22;
const MAX_ATTEMPTS = 50;
const MAX_UNKNOWN = 3;
const MAX_PAUSE_MILLIS = 2_000;
const LONGEST_JITTER_MILLIS = 100;

/** One thing to do; the next follows its answer. */
export type Step =
  /** Sends the group, on condition that the head is as this instance knows it. */
  | { readonly kind: "commit" }
  /** Reads the head, which from then on is what this instance knows. */
  | { readonly kind: "readHead" }
  /** Sends some reads at the same time. */
  | { readonly kind: "read"; readonly request: "pointRead" | "query"; readonly count: number }
  | { readonly kind: "pause"; readonly millis: number };

export type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "conflict" }
  /** The head was read: whether it is another one than before. */
  | { readonly kind: "head"; readonly changed: boolean }
  /** Too many requests. */
  | { readonly kind: "throttled"; readonly retryAfterMillis: number };

/** What an instance has in memory of one space. */
export interface Memory {
  /** Writers whose segment's head is known. */
  readonly segments: Set<number>;
  /** Whether all transactions of the dedupe window are known; if not, each append is looked up. */
  readonly dedupeComplete: boolean;
}

/** Rows of a commit, for writers that write one segment each: two of the space, three for each append. */
export function rowsOf(appends: number): number {
  return 2 + 3 * appends;
}

/** Commits a group: true when it is committed, false when the engine gives up and the clients have to try again. */
export function* commitGroup(
  writers: readonly number[],
  memory: Memory,
  random: Random,
): Generator<Step, boolean, Answer> {
  for (let attempt = 1; ; attempt++) {
    const unknown = writers.filter((writer) => !memory.segments.has(writer));
    if (unknown.length > 0) yield { kind: "read", request: "pointRead", count: unknown.length };
    for (const writer of unknown) memory.segments.add(writer);
    if (!memory.dedupeComplete) yield { kind: "read", request: "pointRead", count: writers.length };

    const answer = yield { kind: "commit" };
    if (answer.kind === "done") return true;
    if (answer.kind === "throttled") {
      if (attempt >= MAX_UNKNOWN) return false;
      yield { kind: "pause", millis: Math.min(MAX_PAUSE_MILLIS, answer.retryAfterMillis) };
    } else {
      // The storage does not say which row changed.
      yield { kind: "read", request: "pointRead", count: 1 };
    }
    if (attempt >= MAX_ATTEMPTS) return false;
    yield { kind: "pause", millis: random.next() * Math.min(LONGEST_JITTER_MILLIS, 2 ** attempt) };

    const head = yield { kind: "readHead" };
    if (head.kind !== "head" || !head.changed) continue;
    // Trims that are not finished, and the entries that were missed.
    yield { kind: "read", request: "query", count: 1 };
    yield { kind: "read", request: "query", count: 1 };
    memory.segments.clear();
  }
}
