import { changedStorage } from "../src/storage/changed-storage.ts";
import type { Storage } from "../src/storage/port.ts";

/** A storage as seen by a process that is stopped or disconnected from time to time. */
export interface PausableStorage {
  readonly storage: Storage;
  /** Holds all requests from now on, until the returned function is called. */
  pause(): () => void;
}

/** The same storage, with a way to hold its requests. Closing is always possible. */
export function pausableStorage(inner: Storage): PausableStorage {
  let paused: Promise<void> | undefined;
  const storage = changedStorage(inner, (store) => {
    const whenResumed =
      <Args extends unknown[], Result>(method: (...args: Args) => Promise<Result>) =>
      async (...args: Args) => {
        await paused;
        return await method(...args);
      };
    return {
      get: whenResumed(store.get.bind(store)),
      getMany: whenResumed(store.getMany.bind(store)),
      async *scan(...args) {
        await paused;
        yield* store.scan(...args);
      },
      commit: whenResumed(store.commit.bind(store)),
      partitions: whenResumed(store.partitions.bind(store)),
    };
  });
  return {
    storage,
    pause() {
      const resume = Promise.withResolvers<void>();
      paused = resume.promise;
      return () => {
        paused = undefined;
        resume.resolve();
      };
    },
  };
}
