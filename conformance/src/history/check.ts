import type { AppendEvent, Event, ReadEntry, ReadEvent } from "./event.ts";

/** A promise that a history breaks. */
export interface Violation {
  readonly clause: string;
  readonly what: string;
}

/**
 * Checks a history against docs/spec.md. The last complete read of each whole space is taken for the truth; everything
 * else must agree with it.
 *
 * @throws Error for a history without a complete read of a space that was written
 */
export function checkHistory(history: readonly Event[]): Violation[] {
  const spaces = new Set(history.map((event) => event.space));
  return [...spaces].flatMap((space) =>
    checkSpace(
      history.filter((event) => event.space === space),
      space,
    ),
  );
}

function checkSpace(history: readonly Event[], space: string): Violation[] {
  const appends = history.filter((event): event is AppendEvent => event.kind === "append");
  const reads = history.filter((event): event is ReadEvent => event.kind === "read");
  const truth = reads.filter((read) => read.complete && read.segment === undefined && read.from === 1).at(-1);
  if (truth === undefined) throw new Error(`the history has no complete read of ${space}`);
  return [
    ...checkDense(truth.entries),
    ...checkTimes(truth.entries),
    ...appends.flatMap((append) => checkAppend(append, truth.entries)),
    ...checkOwners(appends, truth.entries),
    ...checkExpectations(appends, truth.entries),
    ...reads.flatMap((read) => checkRead(read, truth.entries)),
    ...reads.flatMap((read) => checkFresh(read, appends)),
  ];
}

/** ORD-001, ORD-003, ORD-004: offsets and sequences are dense and agree. */
function checkDense(entries: readonly ReadEntry[]): Violation[] {
  const found: Violation[] = [];
  const last = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    if (entry.offset !== index + 1)
      found.push({ clause: "ORD-003", what: `offset ${entry.offset} where ${index + 1} belongs` });
    const expected = (last.get(entry.segment) ?? 0) + 1;
    if (entry.sequence !== expected) {
      found.push({ clause: "ORD-001", what: `${entry.segment}: sequence ${entry.sequence} where ${expected} belongs` });
    }
    last.set(entry.segment, entry.sequence);
  }
  return found;
}

/** ORD-005: the same time within a transaction, a later one in the next. */
function checkTimes(entries: readonly ReadEntry[]): Violation[] {
  return entries.flatMap((entry, index) => {
    const before = entries[index - 1];
    if (before === undefined) return [];
    const same = before.transactionId === entry.transactionId;
    if (same ? before.micros === entry.micros : before.micros < entry.micros) return [];
    return [{ clause: "ORD-005", what: `offset ${entry.offset} has time ${entry.micros} after ${before.micros}` }];
  });
}

/** ATM-001, ATM-002, DUR-002, DED-001: an append is there once and whole, or not at all, as its outcome says. */
function checkAppend(append: AppendEvent, entries: readonly ReadEntry[]): Violation[] {
  const { outcome, transactionId } = append;
  const wanted = append.parts.flatMap(({ segment, payloads }) => payloads.map((payload) => `${segment} ${payload}`));
  const places = wanted.map((each) => entries.flatMap((entry, index) => (nameOf(entry) === each ? [index] : [])));
  if (places.some((each) => each.length > 1)) return [{ clause: "DED-001", what: `${transactionId} is there twice` }];
  const present = places.filter((each) => each.length === 1).length;
  if (outcome.is === "refused" && present > 0)
    return [{ clause: "ATM-003", what: `${transactionId} was refused and is there` }];
  if (outcome.is === "acked" && present === 0 && wanted.length > 0) {
    return [{ clause: "DUR-002", what: `${transactionId} was acknowledged and is lost` }];
  }
  if (present !== 0 && present !== wanted.length) {
    return [{ clause: "ATM-001", what: `${transactionId}: ${present} of ${wanted.length} records are there` }];
  }
  if (present === 0) return [];
  const indexes = places.map((each) => each[0]!);
  if (indexes.some((place, index) => place !== indexes[0]! + index)) {
    return [{ clause: "ATM-002", what: `${transactionId} is not contiguous` }];
  }
  if (outcome.is !== "acked") return [];
  return outcome.ranges.flatMap((range) => {
    const part = append.parts.find(({ segment }) => segment === range.segment);
    if (part === undefined || part.payloads.length === 0) return [];
    const first = entries.find((entry) => nameOf(entry) === `${range.segment} ${part.payloads[0]}`);
    if (first?.sequence === range.firstSequence && first.offset === range.firstOffset) return [];
    return [
      {
        clause: "APP-001",
        what: `${transactionId} was told ${range.firstSequence}/${range.firstOffset} for ${range.segment}`,
      },
    ];
  });
}

/** ERR-011: nothing is there that nobody wrote. */
function checkOwners(appends: readonly AppendEvent[], entries: readonly ReadEntry[]): Violation[] {
  const written = new Set(
    appends.flatMap(({ parts }) => parts.flatMap((p) => p.payloads.map((each) => `${p.segment} ${each}`))),
  );
  return entries
    .filter((entry) => !written.has(nameOf(entry)))
    .map((entry) => ({
      clause: "APP-005",
      what: `offset ${entry.offset} holds "${entry.payload}", which nobody wrote`,
    }));
}

/** EXP-001, EXP-006: an expectation held at the place where the append landed; a refusal had a reason. */
function checkExpectations(appends: readonly AppendEvent[], entries: readonly ReadEntry[]): Violation[] {
  return appends.flatMap((append) => {
    const landed = entries.find((entry) => entry.transactionId === append.transactionId);
    return append.parts.flatMap(({ segment, expected }) => {
      if (expected === undefined) return [];
      if (landed !== undefined) {
        const before = entries.filter((entry) => entry.segment === segment && entry.offset < landed.offset).length;
        if (before === expected) return [];
        return [
          {
            clause: "EXP-001",
            what: `${append.transactionId} expected ${expected} in ${segment} and landed after ${before}`,
          },
        ];
      }
      const { outcome } = append;
      if (outcome.is !== "refused" || outcome.segment !== segment || outcome.actual !== expected) return [];
      return [
        { clause: "EXP-002", what: `${append.transactionId} was refused although ${segment} was at ${expected}` },
      ];
    });
  });
}

/** ORD-002, ORD-007, FOL-002: what a reader received is a piece of the truth, from where it began, without gap or repetition. */
function checkRead(read: ReadEvent, truth: readonly ReadEntry[]): Violation[] {
  const view = read.segment === undefined ? truth : truth.filter((entry) => entry.segment === read.segment);
  const expected = view.slice(read.from - 1);
  for (const [index, entry] of read.entries.entries()) {
    const right = expected[index];
    if (right !== undefined && sameEntry(right, entry)) continue;
    const place = `${read.segment ?? "the space"} from ${read.from}`;
    return [
      {
        clause: "ORD-002",
        what: `a read of ${place} has "${entry.payload}" where "${right?.payload ?? "nothing"}" belongs`,
      },
    ];
  }
  return [];
}

/** LIN-001: what was acknowledged before a read began is in it. */
function checkFresh(read: ReadEvent, appends: readonly AppendEvent[]): Violation[] {
  if (!read.complete) return [];
  const seen = new Set(read.entries.map(nameOf));
  return appends.flatMap((append) => {
    if (append.outcome.is !== "acked" || append.end >= read.start) return [];
    const { ranges } = append.outcome;
    return append.parts.flatMap(({ segment, payloads }) => {
      if (read.segment !== undefined && read.segment !== segment) return [];
      const range = ranges.find((each) => each.segment === segment);
      const first = read.segment === undefined ? range?.firstOffset : range?.firstSequence;
      const missing = payloads.find(
        (each, index) => (first ?? 0) + index >= read.from && !seen.has(`${segment} ${each}`),
      );
      return missing === undefined
        ? []
        : [{ clause: "LIN-001", what: `a read misses "${missing}", acknowledged before it began` }];
    });
  });
}

function nameOf(entry: ReadEntry): string {
  return `${entry.segment} ${entry.payload}`;
}

function sameEntry(a: ReadEntry, b: ReadEntry): boolean {
  return (
    nameOf(a) === nameOf(b) && a.sequence === b.sequence && a.offset === b.offset && a.transactionId === b.transactionId
  );
}
