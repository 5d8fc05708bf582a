import { setTimeout as delay } from "node:timers/promises";
import { ServerError, StoreDeletedError, storageUnavailable } from "../../errors.ts";
import type { PartitionStore, Row, RowVersion } from "../../storage/port.ts";
import { Turns } from "../turns.ts";

/**
 * How long a change may wait for, and meet, those of others before it is given up: as a commit of a space
 * (space-log.ts).
 */
const MAX_CONFLICT_MILLIS = 30_000;
/** Attempts at one change whose outcome stays unknown. */
const MAX_UNKNOWN = 3;

/** What becomes of a row. */
export interface Decision<Result> {
  /** What is written; absent: the row stays as it is. */
  readonly value?: readonly Uint8Array[];
  readonly result: Result;
}

/** What one attempt may have written. */
interface Attempt<Result> {
  readonly value: Buffer;
  readonly result: Result;
}

/** What was known of a row at a moment. */
interface Known {
  readonly row: Row | undefined;
  /** Before it was asked for, or written, by `performance.now()`. */
  readonly at: number;
}

/**
 * Called with the row as it is; again when another writer was faster. Values must be unique: they hold a random mark.
 */
export type Decide<Result> = (row: Row | undefined) => Decision<Result>;

/** The rows of a partition, of which each is changed for itself. */
export class Records {
  readonly #store: PartitionStore;
  readonly #shared: boolean;
  readonly #partition: string;
  readonly #turns = new Turns<Known>();

  /** @param shared other processes may write the store */
  constructor(store: PartitionStore, shared: boolean, partition: string) {
    this.#store = store;
    this.#shared = shared;
    this.#partition = partition;
  }

  /**
   * Changes one row: reads it, decides, and writes it on the condition that it is still the same. A write whose outcome
   * is unknown is found by its value. Where others have written since, nothing tells whether theirs came after it or in
   * its place: then nothing more is written, and the caller learns that nobody knows.
   *
   * @param written told the version of the row when it was written
   * @throws what `decide` throws; ServerError STORAGE_UNAVAILABLE
   */
  async change<Result>(
    key: Uint8Array,
    decide: Decide<Result>,
    written: (version: RowVersion) => void = () => {},
  ): Promise<Result> {
    const start = performance.now();
    let known = await this.#read(key);
    // Who has nothing to write, or is refused, does not wait for those who write.
    const wanted = decide(known.row);
    if (wanted.value === undefined) return wanted.result;
    // Instances race for a row; the callers of one need not.
    using turn = await this.#turns.take(Buffer.from(key).toString("latin1"));
    // What the one before has seen or written since this call began is as good as read again.
    const { waited, baton } = turn;
    if (waited) known = baton !== undefined && baton.at > start ? baton : await this.#read(key);
    turn.pass(known);
    /** Attempts with an unknown outcome, all of them on the same row: one of them at most has happened, or will. */
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
      // What is as it shall be needs no writing, whoever has seen to it.
      if (decision !== undefined && decision.value === undefined) return decision.result;
      if (decision?.value === undefined || overtaken) {
        throw storageUnavailable("a change was not answered, and others have written since: it may have happened");
      }
      const at = performance.now();
      if (at - start > MAX_CONFLICT_MILLIS) {
        throw storageUnavailable("a change had to wait too long for those of others", undefined, 100);
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
        // A local store stops after a failed write; on a shared one, reading tells.
        if (!this.#shared || !(error instanceof ServerError) || error instanceof StoreDeletedError) throw error;
        maybe.push({ value: Buffer.concat(value), result });
        base = version;
        if (maybe.length >= MAX_UNKNOWN) throw error;
        await delay(Math.min(1_000, error.facts.retryAfterMillis ?? 0));
      }
      // Jitter gives everyone a turn.
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

/** What would be decided; undefined for a refusal, which may be one because of the very change that is being made. */
function unlessRefused<Result>(decide: Decide<Result>, row: Row | undefined): Decision<Result> | undefined {
  try {
    return decide(row);
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}
