import { setTimeout as delay } from "node:timers/promises";
import { ServerError, StoreDeletedError, storageUnavailable } from "../../errors.ts";
import type { PartitionStore, Row, RowVersion } from "../../storage/port.ts";
import { Turns } from "../turns.ts";

/**
 * Longest time for a change to wait for other changes and to meet their conflicts, as for a commit of a space
 * (space-log.ts).
 */
const MAX_CONFLICT_MILLIS = 30_000;
/** Most commits of one change with an unknown outcome. */
const MAX_UNKNOWN = 3;

/** The outcome of a decision about a row. */
export interface Decision<Result> {
  /** The new value; absent if the row stays unchanged. */
  readonly value?: readonly Uint8Array[];
  readonly result: Result;
}

/** A value that one attempt may have written. */
interface Attempt<Result> {
  readonly value: Buffer;
  readonly result: Result;
}

/** A row at one moment. */
interface Known {
  readonly row: Row | undefined;
  /** The time just before the read or write of the row, by `performance.now()`. */
  readonly at: number;
}

/** Decides about a row. Called again when another writer was faster. Values must be unique: they hold a random mark. */
export type Decide<Result> = (row: Row | undefined) => Decision<Result>;

/** The rows of a partition whose rows change one at a time. */
export class Records {
  readonly #store: PartitionStore;
  readonly #shared: boolean;
  readonly #partition: string;
  readonly #turns = new Turns<Known>();

  /** @param shared true if other processes may write the store */
  constructor(store: PartitionStore, shared: boolean, partition: string) {
    this.#store = store;
    this.#shared = shared;
    this.#partition = partition;
  }

  /**
   * Changes one row: reads it, decides, and writes it on the condition that it is unchanged. A read finds a write with
   * an unknown outcome by its value. If another writer has changed the row, nothing shows whether that write came after
   * ours or instead of it. Then the change fails with an unknown outcome, without another write.
   *
   * @param written called with the new version of the row once it is written
   * @throws any error of `decide`
   * @throws ServerError STORAGE_UNAVAILABLE
   */
  async change<Result>(
    key: Uint8Array,
    decide: Decide<Result>,
    written: (version: RowVersion) => void = () => {},
  ): Promise<Result> {
    const start = performance.now();
    let known = await this.#read(key);
    // A caller that writes nothing, or is refused, does not wait for writers.
    const wanted = decide(known.row);
    if (wanted.value === undefined) return wanted.result;
    // Instances race for a row; the callers of one instance take turns.
    using turn = await this.#turns.take(Buffer.from(key).toString("latin1"));
    // A row that the previous caller has read or written since this call began is as good as a new read.
    const { waited, baton } = turn;
    if (waited) known = baton !== undefined && baton.at > start ? baton : await this.#read(key);
    turn.pass(known);
    /** Attempts with an unknown outcome, all on the same version of the row: at most one of them happens. */
    const maybe: Attempt<Result>[] = [];
    let base: RowVersion | null | undefined;
    for (let attempt = 1; ; attempt++) {
      const { row } = known;
      const own = row && maybe.find(({ value }) => value.equals(row.value));
      if (row !== undefined && own !== undefined) {
        written(row.version);
        return own.result;
      }
      const version = row?.version ?? null;
      const overtaken = maybe.length > 0 && version !== base;
      const decision = overtaken ? unlessRefused(decide, row) : decide(row);
      // The row already has the desired state; no write is needed.
      if (decision !== undefined && decision.value === undefined) return decision.result;
      if (decision?.value === undefined || overtaken) {
        throw storageUnavailable(
          "the outcome of a change is unknown: storage did not answer, and another writer changed the row since; read it before you try again",
        );
      }
      const at = performance.now();
      if (at - start > MAX_CONFLICT_MILLIS) {
        const seconds = MAX_CONFLICT_MILLIS / 1_000;
        throw storageUnavailable(
          `gave up after ${seconds} s of waiting for other changes of the same row`,
          undefined,
          100,
        );
      }
      const { value, result } = decision;
      const batch = { conditions: [{ key, version, alwaysWritten: true }], puts: [{ key, value }], deletes: [] };
      try {
        const committed = await this.#store.commit(this.#partition, batch);
        if (committed.committed) {
          const [version] = committed.versions;
          turn.pass({ row: { key, value: Buffer.concat(value), version }, at });
          written(version);
          return result;
        }
      } catch (error) {
        // A local store stops after a failed write. On shared storage, a read shows the outcome.
        if (!this.#shared || !(error instanceof ServerError) || error instanceof StoreDeletedError) throw error;
        maybe.push({ value: Buffer.concat(value), result });
        base = version;
        if (maybe.length >= MAX_UNKNOWN) throw error;
        await delay(Math.min(1_000, error.facts.retryAfterMillis ?? 0));
      }
      // A random pause gives every writer a chance.
      if (attempt > 1) await delay(Math.random() * Math.min(100, 2 ** attempt));
      known = await this.#read(key);
      turn.pass(known);
    }
  }

  async #read(key: Uint8Array): Promise<Known> {
    const at = performance.now();
    return { row: await this.#store.get(this.#partition, key), at };
  }
}

/** The decision about a row; undefined for a refusal, which this very change may have caused. */
function unlessRefused<Result>(decide: Decide<Result>, row: Row | undefined): Decision<Result> | undefined {
  try {
    return decide(row);
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}
