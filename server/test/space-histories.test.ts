/** Random histories of one space, compared step by step with a model that follows docs/spec.md. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { type Instance, makeInstance, withLimits } from "./instance.ts";
import { checkSegmentRead, checkSpace, checkSpaceRead } from "./space-checks.ts";
import { boundsOf, type Command, command, History, SEGMENTS } from "./space-history.ts";
import { SpaceModel } from "./space-model.ts";

const RUNS = Number(process.env.RUNS ?? 100);

/** A clock that jumps, even backwards: the order of entries must not depend on it (G2). */
function jumpingClock(steps: readonly number[]): () => number {
  let now = 1_700_000_000_000_000;
  let i = 0;
  return () => {
    now += steps[i++ % steps.length];
    return now;
  };
}

const setting = fc.record({
  commands: fc.array(command, { minLength: 1, maxLength: 25 }),
  threshold: fc.constantFrom(Number.POSITIVE_INFINITY, 0, 200, 350),
  operations: fc.constantFrom(12, 1_000),
  clock: fc.array(fc.constantFrom(0, 1, -5, 1_000, 2_500_000), { minLength: 1, maxLength: 6 }),
  codec: fc.constantFrom("none" as const, "zstd" as const),
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

async function play(storage: Storage, { commands, clock, codec }: Setting, count: number): Promise<void> {
  const options = { clock: jumpingClock(clock), compression: codec };
  const instances = Array.from({ length: count }, () => makeInstance(storage, options));
  const history = new History(new SpaceModel());
  try {
    for (const [step, c] of [...commands, { kind: "settle" }, { kind: "check" }].entries()) {
      const at = step % count;
      await playOne(history, instances, at, c as Command, () => makeInstance(storage, options));
    }
    for (const instance of instances) expect(instance.failures).toEqual([]);
  } finally {
    for (const instance of instances) await instance[Symbol.asyncDispose]();
  }
}

async function playOne(history: History, instances: Instance[], at: number, c: Command, make: () => Instance) {
  const { model, storeId, space } = history;
  const instance = instances[at];
  switch (c.kind) {
    case "group":
      return history.group(instance, c.writes);
    case "settle":
      for (const each of instances) await each.settle(storeId);
      return;
    case "reopen":
      expect(instance.failures).toEqual([]);
      await instance[Symbol.asyncDispose]();
      instances[at] = make();
      return;
    case "check":
      for (const each of instances) await checkSpace(each, { storeId, space }, model, SEGMENTS);
      return;
    case "read": {
      if (c.segment === null) {
        return checkSpaceRead(
          instance,
          { storeId, space },
          model,
          boundsOf(c.bounds, model.lastOffset, model),
          c.prefix,
        );
      }
      const bounds = boundsOf(c.bounds, model.segment(c.segment).last, model);
      return checkSegmentRead(instance, { storeId, space, segment: c.segment }, model, bounds);
    }
  }
}

describe("random histories", () => {
  it("of one instance obey the specification", async () => {
    await fc.assert(
      fc.asyncProperty(setting, (s) => {
        const limits = { referenceThresholdBytes: s.threshold, maxOperations: s.operations };
        return play(withLimits(memoryStorage(), limits), s, 1);
      }),
      { numRuns: RUNS },
    );
  });

  it("of two instances that take turns on one storage obey the specification (G2, G5, G6)", async () => {
    await fc.assert(
      fc.asyncProperty(setting, (s) => {
        const limits = { referenceThresholdBytes: s.threshold, maxOperations: s.operations };
        return play(withLimits(memoryStorage({ shared: true }), limits), s, 2);
      }),
      { numRuns: RUNS },
    );
  });
});
