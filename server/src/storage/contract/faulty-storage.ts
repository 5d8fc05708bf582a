import { storageUnavailable } from "../../errors.ts";
import { changedStorage } from "../changed-storage.ts";
import type { CommitBatch, CommitResult, Storage } from "../port.ts";

/** The fault to play for one commit. */
export type CommitFault =
  /** The commit fails with STORAGE_UNAVAILABLE and is not applied. */
  | { readonly kind: "fail-before" }
  /** The commit is applied, and fails with STORAGE_UNAVAILABLE all the same: its outcome is unknown to the caller. */
  | { readonly kind: "fail-after" }
  /** The commit is applied once the promise resolves. */
  | { readonly kind: "delay-before"; readonly until: Promise<unknown> }
  /** The commit is applied at once, and answered once the promise resolves. */
  | { readonly kind: "delay-after"; readonly until: Promise<unknown> }
  /** The commit fails with STORAGE_UNAVAILABLE at once, and is applied after the promise resolves: it lands late. */
  | { readonly kind: "land-late"; readonly until: Promise<unknown> };

/** Selects the fault of each operation. `number` counts the commits of the storage, from 1. */
export interface FaultScript {
  commit?(number: number, partition: string, batch: CommitBatch): CommitFault | undefined;
  /** True if this read (get, getMany, page of a scan, partitions) must fail with STORAGE_UNAVAILABLE. */
  failRead?(partition: string | undefined): boolean;
}

/** A storage with scripted failures, to test code that uses a storage. */
export function faultyStorage(inner: Storage, script: FaultScript): Storage {
  let commits = 0;
  const read = (partition: string | undefined) => {
    if (script.failRead?.(partition) === true) throw injected();
  };
  return changedStorage(inner, (store) => ({
    async get(partition, key) {
      read(partition);
      return store.get(partition, key);
    },
    async getMany(partition, keys) {
      read(partition);
      return store.getMany(partition, keys);
    },
    async *scan(partition, options) {
      read(partition);
      for await (const page of store.scan(partition, options)) {
        yield page;
        read(partition);
      }
    },
    async partitions(options) {
      read(undefined);
      return store.partitions(options);
    },
    async commit(partition, batch) {
      commits += 1;
      return commit(() => store.commit(partition, batch), script.commit?.(commits, partition, batch));
    },
  }));
}

async function commit(apply: () => Promise<CommitResult>, fault: CommitFault | undefined): Promise<CommitResult> {
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
      // A late commit may conflict by then; no caller waits for it.
      void fault.until.then(apply).catch(() => {});
      throw injected();
  }
}

function injected(): Error {
  return storageUnavailable("injected by a test");
}
