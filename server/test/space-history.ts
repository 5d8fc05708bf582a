import fc from "fast-check";
import { expect } from "vitest";
import { appendToLog } from "../src/engine/append/append-to-log.ts";
import { DeleteSegmentMutation, DeleteSpaceMutation, TrimMutation } from "../src/engine/removal/trim.ts";
import { ServerError } from "../src/errors.ts";
import { type Instance, segmentAppend } from "./instance.ts";
import type { Bounds } from "./space-checks.ts";
import type { ModelAppend, SpaceModel } from "./space-model.ts";

export const SEGMENTS = ["a", "ab", "b", "\uffff"];

const part = fc.record({
  segment: fc.constantFrom(...SEGMENTS),
  records: fc.array(fc.constantFrom(0, 3, 30, 120, 400), { maxLength: 4 }),
  expected: fc.constantFrom("none", "none", "right", "wrong", "zero"),
  token: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 4 }),
});

const append = fc.record({
  kind: fc.constant("append" as const),
  parts: fc.uniqueArray(part, { minLength: 1, maxLength: 4, selector: (p) => p.segment }),
});

export const write = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("repeat" as const), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("trim" as const),
      segment: fc.constantFrom(...SEGMENTS),
      share: fc.nat(11),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("deleteSegment" as const), segment: fc.constantFrom(...SEGMENTS) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteSpace" as const) }) },
);

/** Bounds as shares of the existing range, so that they often hit its edges. */
export const bounds = fc.record({
  min: fc.nat(12),
  max: fc.nat(12),
  minTime: fc.nat(12),
  maxTime: fc.nat(12),
  limit: fc.nat(5),
  last: fc.nat(8),
  use: fc.nat(63),
});

export const command = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("group" as const),
      writes: fc.array(write, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      segment: fc.option(fc.constantFrom(...SEGMENTS)),
      prefix: fc.constantFrom("", "a", "ab"),
      bounds,
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "reopen" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "check" as const }) },
);
export type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

type PlannedWrite =
  | { readonly kind: "append"; readonly append: ModelAppend }
  | { readonly kind: "trim"; readonly segment: string; readonly before: number }
  | { readonly kind: "deleteSegment"; readonly segment: string }
  | { readonly kind: "deleteSpace" };

/** Bounds in positions and times. `use` selects the bounds that the read has. */
export function boundsOf(
  b: typeof bounds extends fc.Arbitrary<infer T> ? T : never,
  head: number,
  model: SpaceModel,
): Bounds {
  const times = model.entries.map((entry) => entry.time);
  const share = (of: number, value: number) => Math.ceil((value * of) / 10);
  const timeAt = (value: number) =>
    times.length === 0 ? 0 : times[Math.min(times.length - 1, share(times.length, value))] + (value % 3) - 1;
  const pick = (bit: number, value: number) => ((b.use & bit) !== 0 ? value : 0);
  const [min, max] = [pick(1, share(head, b.min)), pick(2, share(head, b.max))].sort((x, y) =>
    y === 0 || x === 0 ? 0 : x - y,
  );
  let [minTime, maxTime] = [pick(4, timeAt(b.minTime)), pick(8, timeAt(b.maxTime))];
  if (minTime > 0 && maxTime > 0 && minTime > maxTime) [minTime, maxTime] = [maxTime, minTime];
  return { min, max, minTime, maxTime, limit: pick(16, b.limit), last: pick(32, b.last) };
}

/** A server whose writes are compared with the model, one group after the other. */
export class History {
  readonly storeId: string;
  readonly space = "space";
  readonly model: SpaceModel;
  readonly #sent: ModelAppend[] = [];
  #payloads = 0;

  constructor(model: SpaceModel, storeId: string = crypto.randomUUID()) {
    this.model = model;
    this.storeId = storeId;
  }

  /** Submits all writes in one turn, so that they share commits. Then applies them to the model in the same order. */
  async group(instance: Instance, writes: readonly Write[]): Promise<void> {
    // Planned before any of them is applied, so that expectations are right or wrong as of the start.
    const planned = writes.flatMap((w) => this.#plan(w));
    const outcomes = await instance.withStore(this.storeId, async (store) => {
      const log = store.space(this.space);
      const outcomes = await Promise.allSettled(
        planned.map((w): Promise<unknown> => {
          switch (w.kind) {
            case "append":
              return appendToLog(log, { id: w.append.id, repeatable: true, appends: w.append.parts.map(toPart) });
            case "trim":
              return log.submit(new TrimMutation(log, w.segment, w.before));
            case "deleteSegment":
              return log.submit(new DeleteSegmentMutation(w.segment));
            default:
              return log.submit(new DeleteSpaceMutation());
          }
        }),
      );
      store.reclaim(log);
      return outcomes;
    });
    planned.forEach((w, i) => {
      this.#compare(w, outcomes[i]);
    });
  }

  #plan(w: Write): PlannedWrite[] {
    switch (w.kind) {
      case "repeat":
        return this.#sent.length === 0
          ? []
          : [{ kind: "append" as const, append: this.#sent[w.which % this.#sent.length] }];
      case "trim":
        return [
          {
            kind: w.kind,
            segment: w.segment,
            before: 1 + Math.floor((this.model.segment(w.segment).last * w.share) / 9),
          },
        ];
      case "append": {
        const parts = w.parts
          .map(({ segment, records, expected, token }) => {
            const { last } = this.model.segment(segment);
            const expectation = { none: undefined, right: last, wrong: last + 1, zero: 0 }[expected];
            const payloads = records.map((size) => `${this.#payloads++}:`.padEnd(size, "x"));
            return { segment, payloads, expected: expectation, token };
          })
          .filter((p) => p.payloads.length > 0 || p.expected !== undefined || p.token !== undefined);
        if (!parts.some((p) => p.payloads.length > 0)) return [];
        const append = { id: crypto.randomUUID(), parts };
        this.#sent.push(append);
        return [{ kind: "append" as const, append }];
      }
      default:
        return [w];
    }
  }

  #compare(w: PlannedWrite, outcome: PromiseSettledResult<unknown>): void {
    const { model } = this;
    switch (w.kind) {
      case "trim":
        expect(outcome.status).toBe(model.trim(w.segment, w.before) ? "fulfilled" : "rejected");
        return;
      case "deleteSegment":
        expect(outcome.status).toBe("fulfilled");
        model.deleteSegment(w.segment);
        return;
      case "deleteSpace":
        expect(outcome.status).toBe("fulfilled");
        model.deleteSpace();
        return;
    }
    const verdict = model.append(w.append);
    if (outcome.status === "rejected") {
      const error = outcome.reason as ServerError;
      expect(error).toBeInstanceOf(ServerError);
      if (verdict.kind === "repeated" && !verdict.retained) return;
      expect({
        kind: "refused",
        reason: error.reason,
        segment: error.facts.segment,
        actual: numberOf(error.facts.actualLastSequence),
      }).toEqual({ actual: undefined, ...verdict });
      return;
    }
    const result = outcome.value as {
      number: number;
      commitTimeMicros: number;
      ranges: object[];
      deduplicated: boolean;
    };
    expect(verdict.kind === "applied" || verdict.kind === "repeated").toBe(true);
    if (verdict.kind === "refused") return;
    expect(result.deduplicated).toBe(verdict.kind === "repeated");
    expect(result.number).toBe(verdict.number);
    if (verdict.kind === "applied" || verdict.retained) expect(result.ranges).toEqual(verdict.ranges);
    if (verdict.kind === "repeated") return;
    // ORD-005
    expect(result.commitTimeMicros).toBeGreaterThan(model.lastTime);
    model.committedAt(result.number, result.commitTimeMicros);
  }
}

function toPart({ segment, payloads, expected, token }: ModelAppend["parts"][number]) {
  return segmentAppend({
    segment,
    payloads: payloads.map((p) => Buffer.from(p)),
    expected: expected === undefined ? undefined : BigInt(expected),
    token: token === undefined ? undefined : BigInt(token),
  });
}

function numberOf(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
