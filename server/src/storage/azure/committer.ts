import { randomBytes } from "node:crypto";
import { storageUnavailable } from "../../errors.ts";
import type { CommitBatch, CommitResult } from "../port.ts";
import { type CommitPlan, holds, type Knowledge, planCommit, type RowState } from "./commit-plan.ts";
import { isAbsence, STATE_PROPERTIES, versionOf } from "./entity.ts";
import { inParallel } from "./parallel.ts";
import { partitionKeyOf } from "./partition-key.ts";
import type { Remains } from "./remains.ts";
import { rowKeyOf } from "./row-key.ts";
import type { Table } from "./table.ts";

/** Most plans for one commit. Each plan after the first follows a failure that no condition explains. */
const MAX_PLANS = 8;

const CONCURRENT_READS = 16;

/** Writes commits: one request each, unless the ETag of a row differs from its version (commit-plan.ts). */
export class Committer {
  readonly #table: Table;
  readonly #remains: Remains;

  constructor(table: Table, remains: Remains) {
    this.#table = table;
    this.#remains = remains;
  }

  /** @throws STORAGE_UNAVAILABLE if the outcome is unknown */
  async commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    const partitionKey = partitionKeyOf(partition);
    const states = new Map<string, RowState>();
    const knowledge: Knowledge = {
      states,
      restOf: (rowKey) => this.#remains.restOf(partitionKey, rowKey),
      newGeneration: () => randomBytes(8).toString("hex"),
    };
    for (let count = 0; count < MAX_PLANS; count++) {
      const plan = planCommit(batch, knowledge);
      if (plan === undefined) return { committed: false };
      if (plan.operations.length === 0) return { committed: true, versions: [] };
      const response = await this.#table.transact(partitionKey, plan.operations);
      if (response.done) {
        this.#settle(partitionKey, batch, plan, response.etags);
        return { committed: true, versions: plan.puts.map((index) => response.etags[index] as string) };
      }
      if (response.index !== undefined && plan.decisive.has(response.index)) return { committed: false };
      if (!(await this.#explain(partitionKey, batch, plan, response.index, states))) return { committed: false };
    }
    throw storageUnavailable(
      `other processes changed the rows of a commit during all ${MAX_PLANS} attempts; try again`,
    );
  }

  /** Reads the rows that may have made a transaction fail. Resolves with false if a condition does not hold. */
  async #explain(
    partitionKey: string,
    batch: CommitBatch,
    plan: CommitPlan,
    failed: number | undefined,
    states: Map<string, RowState>,
  ): Promise<boolean> {
    const versions = new Map(batch.conditions.map(({ key, version }) => [rowKeyOf(key), version]));
    const read = async (rowKey: string) => {
      const state = await this.#stateOf(partitionKey, rowKey);
      states.set(rowKey, state);
      const version = versions.get(rowKey);
      return version === undefined || holds(state, version as string | null);
    };
    // In an ordinary conflict, this is the only read.
    const first = [...plan.fallible].find(([, index]) => index === failed)?.[0];
    if (first !== undefined && !(await read(first))) return false;
    const others = [...plan.fallible.keys()].filter((rowKey) => rowKey !== first);
    return (await inParallel(others, CONCURRENT_READS, read)).every(Boolean);
  }

  async #stateOf(partitionKey: string, rowKey: string): Promise<RowState> {
    const entity = await this.#table.get(partitionKey, rowKey, STATE_PROPERTIES);
    if (entity === undefined) return { kind: "missing" };
    if (isAbsence(entity)) return { kind: "absence", etag: entity.etag };
    return { kind: "row", etag: entity.etag, version: versionOf(entity) };
  }

  #settle(partitionKey: string, batch: CommitBatch, plan: CommitPlan, etags: readonly (string | undefined)[]): void {
    for (const { key } of batch.puts) {
      const rowKey = rowKeyOf(key);
      this.#remains.setRest(partitionKey, rowKey, plan.newRests.get(rowKey));
    }
    for (const key of batch.deletes) this.#remains.setRest(partitionKey, rowKeyOf(key), undefined);
    for (const rowKey of plan.leftRests) this.#remains.remove({ partitionKey, rowKey });
    for (const index of plan.marks) {
      const etag = etags[index];
      if (etag !== undefined) this.#remains.remove({ partitionKey, rowKey: plan.operations[index].rowKey, etag });
    }
  }
}
