import { Level } from "level";
import { storageUnavailable } from "../../errors.ts";
import { GroupCommit } from "../abstract-level/group-commit.ts";
import { pageOfIds } from "../abstract-level/page-of-ids.ts";
import { AbstractLevelPartitionStore } from "../abstract-level/partition-store.ts";
import { isLockedError, storageError } from "../abstract-level/storage-error.ts";
import { assertStoreId } from "../abstract-level/store-id.ts";
import { VersionCounter } from "../abstract-level/version-counter.ts";
import type { PartitionStore, Storage } from "../port.ts";
import type { LevelStorageOptions } from "./index.ts";
import {
  createStoreDirectory,
  dropStoreDirectory,
  storeDirectories,
  storeDirectory,
  storeExists,
  sweepRemains,
} from "./store-directory.ts";
import { verifyDatabase } from "./verify-database.ts";

type LevelDatabase = Level<Uint8Array, Uint8Array>;

export class LevelStorage implements Storage {
  readonly kind = "level";
  readonly location: string;
  readonly shared = false;
  readonly #path: string;
  readonly #databaseOptions: { cacheSize: number; writeBufferSize: number };
  #sweeping: Promise<void> | undefined;

  constructor(options: LevelStorageOptions) {
    this.#path = options.path;
    this.location = options.path;
    this.#databaseOptions = {
      cacheSize: options.cacheBytes ?? 8 * 1024 * 1024,
      writeBufferSize: options.writeBufferBytes ?? 32 * 1024 * 1024,
    };
  }

  async open(storeId: string, { create }: { create: boolean }): Promise<PartitionStore | undefined> {
    assertStoreId(storeId);
    try {
      await this.#sweep();
      if (!(await storeExists(this.#path, storeId))) {
        if (!create) return undefined;
        await createStoreDirectory(this.#path, storeId, (directory) => this.#initialize(directory));
      }
      return await this.#openStore(storeId);
    } catch (error) {
      throw storageError(error);
    }
  }

  async list(options: { after?: string; limit: number }): Promise<string[]> {
    try {
      await this.#sweep();
      return pageOfIds(await storeDirectories(this.#path), options);
    } catch (error) {
      throw storageError(error);
    }
  }

  async close(): Promise<void> {}

  async #openStore(storeId: string): Promise<PartitionStore> {
    const directory = storeDirectory(this.#path, storeId);
    await this.#verify(directory);
    const database = this.#database(directory);
    await database.open();
    try {
      const commits = new GroupCommit(database, await VersionCounter.recover(database));
      return new AbstractLevelPartitionStore(database, commits, {
        release: () => database.close(),
        remove: async () => {
          await database.close();
          await dropStoreDirectory(this.#path, storeId);
        },
      });
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** The files of a store that a process has open change all the time, and would look damaged. */
  async #verify(directory: string): Promise<void> {
    try {
      await verifyDatabase(directory);
    } catch (error) {
      if (await isLocked(this.#database(directory))) {
        throw storageUnavailable("the store is open already, here or in another process", error);
      }
      throw error;
    }
  }

  async #initialize(directory: string): Promise<void> {
    const database = this.#database(directory);
    await database.open({ createIfMissing: true, errorIfExists: true });
    await database.close();
  }

  /** The database opens itself soon after it was made: make it only to open it at once. */
  #database(directory: string): LevelDatabase {
    return new Level<Uint8Array, Uint8Array>(directory, {
      keyEncoding: "view",
      valueEncoding: "view",
      // LevelDB would replace a store that lost its root file by an empty one.
      createIfMissing: false,
      ...this.#databaseOptions,
    });
  }

  #sweep(): Promise<void> {
    this.#sweeping ??= sweepRemains(this.#path);
    return this.#sweeping;
  }
}

/** LevelDB takes its lock first, and with `errorIfExists` then stops before it touches anything. */
async function isLocked(database: LevelDatabase): Promise<boolean> {
  try {
    await database.open({ errorIfExists: true });
    await database.close();
    return false;
  } catch (error) {
    return isLockedError(error);
  }
}
