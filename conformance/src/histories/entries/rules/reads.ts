import type { ReadEntry, ReadEvent } from "../event.ts";
import { countUntil, nameOf, positionOf } from "../known-log.ts";
import type { SpaceHistory, Violation } from "../space-history.ts";

/**
 * ORD-002, ORD-007, FOL-002: the entries that a reader received are a piece of the log from its first position on,
 * without gap or repetition. TRM-001: trimmed entries may be missing once the trim was requested, and must be missing
 * once it was acknowledged.
 */
export function* checkOrder({ reads, log, trims }: SpaceHistory): Generator<Violation> {
  for (const read of reads) {
    const view = log.view(read.segment);
    let index = countUntil(view, (entry) => positionOf(entry, read.segment) < read.from);
    for (const entry of read.entries) {
      while (index < view.length && !isSame(view[index], entry) && isTrimmable(view[index], read, trims)) index += 1;
      const right = view[index++];
      if (right === undefined || !isSame(right, entry)) {
        const what = `${describe(read)} has "${entry.payload}" where "${right?.payload ?? "nothing"}" belongs`;
        yield { clause: "ORD-002", what };
        break;
      }
      if (entry.sequence < trims.certain(entry.segment, read.start)) {
        yield { clause: "TRM-001", what: `${describe(read)} has "${entry.payload}", which was trimmed before` };
      }
    }
  }
}

/** LIN-001: a read contains every entry that any caller knew of before the read began, at any instance (G5). */
export function* checkFresh(history: SpaceHistory): Generator<Violation> {
  const { reads, trims } = history;
  for (const read of reads) {
    if (!read.complete) continue;
    const offset = history.knownOffset(read.start);
    const missing = missingOf(read, history, (entry) => entry.offset <= offset && !isTrimmable(entry, read, trims));
    if (missing === undefined) continue;
    yield { clause: "LIN-001", what: `${describe(read)} misses "${missing.payload}", known before it began` };
  }
}

/**
 * LIN-002: a status shows every entry that any caller knew of before the call, and only bounds that the segment has
 * had.
 */
export function* checkStatuses(history: SpaceHistory): Generator<Violation> {
  for (const { segment, firstSequence, lastSequence, start, end } of history.statuses) {
    if (!history.mayStandAt(segment, lastSequence, start)) {
      yield {
        clause: "LIN-002",
        what: `a status says that ${segment} ends at ${lastSequence}, which it did not at that time`,
      };
    }
    const { trims } = history;
    const right = trims.certain(segment, start) <= firstSequence && firstSequence <= trims.possible(segment, end);
    if (lastSequence > 0 && !right) {
      yield {
        clause: "LIN-002",
        what: `a status says that ${segment} begins at ${firstSequence}, which is impossible`,
      };
    }
  }
}

/** FOL-001: a follower that had enough time has received everything. */
export function* checkFollows(history: SpaceHistory): Generator<Violation> {
  for (const read of history.reads) {
    if (read.follows === undefined) continue;
    const missing = missingOf(read, history, (entry) => !isTrimmable(entry, read, history.trims));
    if (missing === undefined) continue;
    const last = read.entries.at(-1);
    const what = `${describe(read)} ended at "${last?.payload ?? "nothing"}" and never received "${missing.payload}"`;
    yield { clause: "FOL-001", what };
  }
}

function missingOf(
  read: ReadEvent,
  { log }: SpaceHistory,
  isRequired: (entry: ReadEntry) => boolean,
): ReadEntry | undefined {
  const received = new Set(read.entries.map(({ offset }) => offset));
  const view = log.view(read.segment);
  const first = countUntil(view, (entry) => positionOf(entry, read.segment) < read.from);
  return view.find((entry, index) => index >= first && !received.has(entry.offset) && isRequired(entry));
}

function isTrimmable({ segment, sequence }: ReadEntry, { end }: ReadEvent, trims: SpaceHistory["trims"]): boolean {
  return sequence < trims.possible(segment, end);
}

function isSame(a: ReadEntry, b: ReadEntry): boolean {
  return (
    nameOf(a) === nameOf(b) &&
    a.sequence === b.sequence &&
    a.offset === b.offset &&
    a.transactionId === b.transactionId &&
    a.number === b.number &&
    a.micros === b.micros
  );
}

function describe({ segment, from, follows }: ReadEvent): string {
  return `a ${follows === undefined ? "read" : "follow"} of ${segment ?? "the space"} from ${from}`;
}
