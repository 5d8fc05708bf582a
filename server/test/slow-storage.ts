import { changedStorage } from "../src/storage/changed-storage.ts";
import type { Storage } from "../src/storage/port.ts";

/** What happens to one commit: the usual, or an answer that is lost after, or before, it was written. */
export type CommitFate = "answered" | "lost-answer" | "lost-request";

export interface SlowOptions {
  /** Turns of the event loop that a request takes to arrive, and again for its answer. */
  readonly turns: () => number;
  readonly fate?: () => CommitFate;
  /** What a lost commit fails with. */
  readonly failure: () => Error;
}

/** The same storage, with requests and answers that take their time and pass each other on the way. */
export function slowStorage(storage: Storage, options: SlowOptions): Storage {
  const turns = async () => {
    for (let count = options.turns(); count > 0; count--) await new Promise(setImmediate);
  };
  const slowly = async <T>(operation: () => Promise<T>) => {
    await turns();
    const result = await operation();
    await turns();
    return result;
  };
  return changedStorage(storage, (store) => ({
    get: (partition, key) => slowly(() => store.get(partition, key)),
    // As on Azure: no snapshot, but a request for each.
    getMany: (partition, keys) => Promise.all(keys.map((key) => slowly(() => store.get(partition, key)))),
    async *scan(partition, range) {
      await turns();
      for await (const page of store.scan(partition, range)) {
        await turns();
        yield page;
      }
    },
    async commit(partition, batch) {
      const fate = options.fate?.() ?? "answered";
      await turns();
      if (fate === "lost-request") throw options.failure();
      const result = await store.commit(partition, batch);
      await turns();
      if (fate === "lost-answer") throw options.failure();
      return result;
    },
    partitions: (options) => slowly(() => store.partitions(options)),
  }));
}
