import { changedStorage } from "../src/storage/changed-storage.ts";
import type { Storage } from "../src/storage/port.ts";

/** The fate of one commit: an ordinary answer, an answer that gets lost, or a request that gets lost. */
export type CommitFate = "answered" | "lost-answer" | "lost-request";

export interface SlowOptions {
  /** Turns of the event loop for the way of a request, and for the way of its answer. */
  readonly turns: () => number;
  readonly fate?: () => CommitFate;
  /** The failure of a lost commit. */
  readonly failure: () => Error;
}

/** The same storage, with slow requests and answers that overtake each other. */
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
    // As on Azure: one request per row, and no snapshot.
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
