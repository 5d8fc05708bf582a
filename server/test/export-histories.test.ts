/** Random histories, copied by exports to another storage, and compared there with the model of the specification. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportStore } from "../src/export/export-store.ts";
import { importStore } from "../src/export/import-store.ts";
import { type ExportSummary, verifyExport } from "../src/export/verify-export.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { type Instance, makeInstance, withLimits } from "./instance.ts";
import { checkSpace } from "./space-checks.ts";
import { command, History, SEGMENTS } from "./space-history.ts";
import { SpaceModel } from "./space-model.ts";

const RUNS = Number(process.env.RUNS ?? 20);

type File = readonly Uint8Array[];

async function exported(instance: Instance, storeId: string, since?: ExportSummary): Promise<File> {
  return instance.withStore(storeId, async (store) => {
    const file: Uint8Array[] = [];
    const chunks = exportStore(store, { since, compression: "none" }, new AbortController().signal);
    for await (const chunk of chunks) file.push(chunk);
    return file;
  });
}

async function imported(instance: Instance, storeId: string, file: AsyncIterable<Uint8Array>) {
  return instance.withStore(storeId, (store) => importStore(file, async () => store));
}

/** A file in pieces that do not fit its chunks. */
async function* pieces(file: File, size = 1_000): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.concat(file);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const limits = fc.record({
  referenceThresholdBytes: fc.constantFrom(Number.POSITIVE_INFINITY, 0, 200, 350),
  maxOperations: fc.constantFrom(12, 1_000),
  maxBatchBytes: fc.constantFrom(4_000, 2_500_000),
});

const setting = fc.record({
  parts: fc.array(fc.array(command, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
  source: limits,
  target: limits,
  /** Ends the first import of each file after this share of it. */
  cut: fc.integer({ min: 0, max: 10 }),
  full: fc.boolean(),
});

describe("random histories, exported in parts and imported", () => {
  it("are the same in the other storage: entries, positions, times, ids, states (exports continue each other)", async () => {
    await fc.assert(
      fc.asyncProperty(setting, async ({ parts, source: from, target: to, cut, full }) => {
        const source = makeInstance(withLimits(memoryStorage(), from), { compression: "none" });
        const target = makeInstance(withLimits(memoryStorage(), to));
        const history = new History(new SpaceModel());
        const { storeId, space, model } = history;
        let since: ExportSummary | undefined;
        try {
          for (const part of parts) {
            for (const c of part) {
              if (c.kind === "group") await history.group(source, c.writes);
              if (c.kind === "settle") await source.settle(storeId);
            }
            if (model.lastNumber === 0) continue;
            const file = await exported(source, storeId, full ? undefined : since);
            const summary = await verifyExport(pieces(file));
            since = summary;
            // A full export on top of an earlier one shares no entry with it once all of those are removed.
            const provable = !full || parts.length === 1 || model.entries.length > 0;
            if (!provable) return;
            const bytes = Buffer.concat(file);
            const first = pieces([bytes.subarray(0, Math.floor((bytes.length * cut) / 10))]);
            if (cut < 10) await expect(imported(target, storeId, first)).rejects.toThrow(/chunk/);
            const result = await imported(target, storeId, pieces(file)).catch((error) => error);
            // The same: a full export may have nothing in common with the store.
            if (full && String(result).includes("nothing in the file shows")) return;
            expect(result).toMatchObject({ totals: summary.totals });
            await checkSpace(target, { storeId, space }, model, SEGMENTS);
            expect((await imported(target, storeId, pieces(file))).written).toBe(0);
            await target.settle(storeId);
            await checkSpace(target, { storeId, space }, model, SEGMENTS);
          }
          // The copy goes on as the original would. Fencing tokens are not copied.
          for (const state of model.segments.values()) state.token = 0;
          const append = { kind: "append" as const, parts: [part("a"), part("\uffff")] };
          await history.group(target, [append, { kind: "repeat", which: 0 }, append]);
          await checkSpace(target, { storeId, space }, model, SEGMENTS);
          expect([...source.failures, ...target.failures]).toEqual([]);
        } finally {
          await source[Symbol.asyncDispose]();
          await target[Symbol.asyncDispose]();
        }
      }),
      // Each run has several instances and checks; the first counterexample must not wait for smaller ones.
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 600_000);
});

function part(segment: string) {
  return { segment, records: [3 as const, 120 as const], expected: "none" as const, token: undefined };
}
