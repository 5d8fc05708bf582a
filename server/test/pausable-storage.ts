import { changedStorage } from "../src/storage/changed-storage.ts";
import type { Storage } from "../src/storage/port.ts";

/** A storage as a process has it that is stopped, or cut off, now and then. */
export interface PausableStorage {
  readonly storage: Storage;
  /** From now on no request is sent, until the function that this returns is called. */
  pause(): () => void;
}

/** The same storage, with a way to stop its requests. Closing is always possible. */
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
