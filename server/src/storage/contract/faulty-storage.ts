import { storageUnavailable } from "../../errors.ts";
import type { CommitBatch, CommitResult, PartitionStore, Row, ScanOptions, Storage } from "../port.ts";

/** What happens to one commit. */
export type CommitFault =
  /** Fails with STORAGE_UNAVAILABLE and is not applied. */
  | { readonly kind: "fail-before" }
  /** Is applied and fails with STORAGE_UNAVAILABLE all the same: the outcome is unknown to the caller. */
  | { readonly kind: "fail-after" }
  /** Is applied once the promise resolves. */
  | { readonly kind: "delay-before"; readonly until: Promise<unknown> }
  /** Is applied at once, and answered once the promise resolves. */
  | { readonly kind: "delay-after"; readonly until: Promise<unknown> }
  /** Fails with STORAGE_UNAVAILABLE at once, and is applied after the promise resolves: lands late. */
  | { readonly kind: "land-late"; readonly until: Promise<unknown> };

/** Asked before each operation; `number` counts the commits of the storage from 1. */
export interface FaultScript {
  commit?(number: number, partition: string, batch: CommitBatch): CommitFault | undefined;
  /** Whether this read (get, getMany, page of a scan, partitions) fails with STORAGE_UNAVAILABLE. */
  failRead?(partition: string | undefined): boolean;
}

/** A storage that fails as the script says; for tests of what is built on a storage. */
export function faultyStorage(inner: Storage, script: FaultScript): Storage {
  let commits = 0;
  const countCommit = () => {
    commits += 1;
    return commits;
  };
  return {
    kind: inner.kind,
    location: inner.location,
    shared: inner.shared,
    async open(storeId, options) {
      const store = await inner.open(storeId, options);
      return store && new FaultyStore(store, script, countCommit);
    },
    list: (options) => inner.list(options),
    close: () => inner.close(),
  };
}

class FaultyStore implements PartitionStore {
  readonly #inner: PartitionStore;
  readonly #script: FaultScript;
  readonly #countCommit: () => number;

  constructor(inner: PartitionStore, script: FaultScript, countCommit: () => number) {
    this.#inner = inner;
    this.#script = script;
    this.#countCommit = countCommit;
  }

  get limits() {
    return this.#inner.limits;
  }

  async get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    this.#read(partition);
    return this.#inner.get(partition, key);
  }

  async getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    this.#read(partition);
    return this.#inner.getMany(partition, keys);
  }

  async *scan(partition: string, options: ScanOptions): AsyncGenerator<readonly Row[]> {
    this.#read(partition);
    for await (const page of this.#inner.scan(partition, options)) {
      yield page;
      this.#read(partition);
    }
  }

  async commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    const apply = () => this.#inner.commit(partition, batch);
    const fault = this.#script.commit?.(this.#countCommit(), partition, batch);
    switch (fault?.kind) {
      case undefined:
        return apply();
      case "fail-before":
        throw injected();
      case "fail-after":
        await apply();
        throw injected();
      case "delay-before":
        await fault.until;
        return apply();
      case "delay-after": {
        const result = await apply();
        await fault.until;
        return result;
      }
      case "land-late":
        // Whether it still applies by then is nobody's business any more.
        void fault.until.then(apply).catch(() => {});
        throw injected();
    }
  }

  async partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]> {
    this.#read(undefined);
    return this.#inner.partitions(options);
  }

  drop(): Promise<void> {
    return this.#inner.drop();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #read(partition: string | undefined): void {
    if (this.#script.failRead?.(partition) === true) throw injected();
  }
}

function injected(): Error {
  return storageUnavailable("injected by a test");
}
