import assert from "node:assert/strict";
import type * as FastCheck from "fast-check";
import { requirePackage } from "../../optional-package.ts";
import type { PartitionStore, Row, RowVersion } from "../port.ts";
import { bytes, hex, scanAll } from "./rows.ts";
import type { ContractContext, ContractTests } from "./suite.ts";

/** The expected rows of all partitions: partition -> key in hex -> value in hex and version. */
type Model = Map<string, Map<string, { value: string; version: RowVersion }>>;

type Step =
  | { kind: "commit"; partition: string; writes: Write[]; conditions: { key: Uint8Array; holds: boolean }[] }
  | { kind: "scan"; partition: string; gte: Uint8Array; lt: Uint8Array; limit: number; pageBytes: number }
  | { kind: "reopen" };

type Write = { key: Uint8Array; value: Uint8Array[] | undefined };

/** The steps of a history. */
function arbitrarySteps(fc: typeof FastCheck) {
  // Few and similar keys, so that steps touch the same rows.
  const keys = fc.array(fc.constantFrom(0x00, 0x01, 0x61, 0xff), { minLength: 1, maxLength: 3 }).map(bytes);
  const partitions = fc.constantFrom("a", "a\u0001", "ab", "ä");
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 });

  const usually = fc.nat(7).map((number) => number > 0);

  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("commit" as const),
        partition: partitions,
        writes: fc.uniqueArray(fc.record({ key: keys, value: fc.option(pieces, { nil: undefined }) }), {
          maxLength: 6,
          selector: (write) => hex(write.key),
        }),
        conditions: fc.uniqueArray(fc.record({ key: keys, holds: usually }), {
          maxLength: 3,
          selector: (condition) => hex(condition.key),
        }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("scan" as const),
        partition: partitions,
        gte: keys,
        lt: keys,
        limit: fc.integer({ min: 1, max: 20 }),
        pageBytes: fc.constantFrom(1, 50, 1_000_000),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  );
}

export function describeModel({ describe, it, capabilities }: ContractTests): void {
  // Required here, so that users of the bus suite need not install it.
  const fc = requirePackage<typeof FastCheck>("fast-check", "the contract suite of storage");
  const steps = arbitrarySteps(fc);
  describe("model", () => {
    it("behaves like sorted maps in every history of commits and reads", async (context) => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (history) => {
          run += 1;
          await replay(context, history, `run${run}-`);
        }),
        { numRuns: capabilities.modelRuns ?? 50 },
      );
    });
  });
}

/** Runs a history. It renames the partitions, so that runs can share a store. */
async function replay(context: ContractContext, history: readonly Step[], rename: string): Promise<void> {
  const model: Model = new Map();
  for (const step of history) {
    if (step.kind === "reopen") await context.reopen();
    else if (step.kind === "commit") await replayCommit(context.store, model, rename + step.partition, step);
    else await replayScan(context.store, model, rename + step.partition, step);
  }
  for (const partition of model.keys()) {
    assert.deepEqual((await scanAll(context.store, partition)).map(shape), sorted(model, partition));
  }
}

async function replayCommit(
  store: PartitionStore,
  model: Model,
  partition: string,
  { writes, conditions }: Step & { kind: "commit" },
): Promise<void> {
  const rows = model.get(partition) ?? new Map();
  model.set(partition, rows);
  const result = await store.commit(partition, {
    conditions: conditions.map(({ key, holds }) => {
      const version = rows.get(hex(key))?.version ?? null;
      return { key, version: holds ? version : version === null ? 1 : null };
    }),
    puts: writes.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }])),
    deletes: writes.filter((write) => write.value === undefined).map((write) => write.key),
  });
  assert.equal(
    result.committed,
    conditions.every(({ holds }) => holds),
  );
  if (!result.committed) return;
  const versions = [...result.versions];
  for (const { key, value } of writes) {
    if (value === undefined) rows.delete(hex(key));
    else rows.set(hex(key), { value: hex(Buffer.concat(value)), version: versions.shift()! });
  }
  assert.equal(versions.length, 0);
}

async function replayScan(
  store: PartitionStore,
  model: Model,
  partition: string,
  { gte, lt, limit, pageBytes }: Step & { kind: "scan" },
): Promise<void> {
  const found = await scanAll(store, partition, { gte, lt, limit, pageBytes });
  const expected = sorted(model, partition).filter(({ key }) => key >= hex(gte) && key < hex(lt));
  assert.deepEqual(found.map(shape), expected.slice(0, limit));
  const row = await store.get(partition, gte);
  assert.deepEqual(
    row && shape(row),
    sorted(model, partition).find(({ key }) => key === hex(gte)),
  );
}

function shape({ key, value, version }: Row): { key: string; value: string; version: RowVersion } {
  return { key: hex(key), value: hex(value), version };
}

/** The rows in the order of their keys: hex text sorts like the bytes. */
function sorted(model: Model, partition: string): { key: string; value: string; version: RowVersion }[] {
  const rows = [...(model.get(partition) ?? new Map()).entries()].map(([key, row]) => ({ key, ...row }));
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}
