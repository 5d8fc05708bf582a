import { Level } from "level";
import { storageUnavailable } from "../../errors.ts";
import { GroupCommit } from "../abstract-level/group-commit.ts";
import { AbstractLevelPartitionStore } from "../abstract-level/partition-store.ts";
import { isLockedError } from "../abstract-level/storage-error.ts";
import { VersionCounter } from "../abstract-level/version-counter.ts";
import type { PartitionStore } from "../port.ts";
import { StoreFiles } from "./store-files.ts";
import { verifyDatabase } from "./verify-database.ts";

export type LevelDatabase = Level<Uint8Array, Uint8Array>;

export interface LevelDatabaseOptions {
  readonly cacheSize: number;
  readonly writeBufferSize: number;
}

/** What follows when a store ends. */
export interface LevelStoreOwner {
  /** The database was closed. */
  released(): void;
  /** The database was closed, and its files are to go. */
  remove(): Promise<void>;
}

/** The database of a directory. It opens itself soon after it was made: make it only to open it at once. */
export function makeDatabase(directory: string, options: LevelDatabaseOptions): LevelDatabase {
  return new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    // LevelDB would replace a store that lost its root file by an empty one.
    createIfMissing: false,
    ...options,
  });
}

/** Verifies and opens the database of a store that exists. */
export async function openLevelStore(
  directory: string,
  options: LevelDatabaseOptions,
  owner: LevelStoreOwner,
): Promise<{ store: PartitionStore; files: StoreFiles }> {
  await verify(directory, options);
  const database = makeDatabase(directory, options);
  await database.open();
  try {
    const files = new StoreFiles(directory);
    const commits = new GroupCommit(database, await VersionCounter.recover(database), () => files.check());
    const release = async () => {
      await database.close();
      owner.released();
    };
    const store = new AbstractLevelPartitionStore(database, commits, {
      release,
      remove: async () => {
        await release();
        await owner.remove();
      },
      assertPresent: () => files.assertPresent(),
    });
    return { store, files };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The files of a store that a process has open change all the time, and would look damaged. */
async function verify(directory: string, options: LevelDatabaseOptions): Promise<void> {
  try {
    await verifyDatabase(directory);
  } catch (error) {
    if (await isLocked(makeDatabase(directory, options))) {
      throw storageUnavailable("the store is open already, here or in another process", error);
    }
    throw error;
  }
}

/** LevelDB takes its lock first, and with `errorIfExists` then stops before it touches anything. */
export async function isLocked(database: LevelDatabase): Promise<boolean> {
  try {
    await database.open({ errorIfExists: true });
    await database.close();
    return false;
  } catch (error) {
    return isLockedError(error);
  }
}
