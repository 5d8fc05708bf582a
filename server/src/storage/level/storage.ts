import { storageUnavailable } from "../../errors.ts";
import { storageError } from "../abstract-level/storage-error.ts";
import { assertStoreId } from "../abstract-level/store-id.ts";
import type { PartitionStore, Storage } from "../port.ts";
import { DataFolder } from "./data-folder.ts";
import { isLocked, type LevelDatabaseOptions, makeDatabase, openLevelStore } from "./database.ts";
import { DiskSpace } from "./disk-space.ts";
import type { LevelStorageOptions } from "./index.ts";
import {
  createStoreDirectory,
  dropStoreDirectory,
  isStore,
  storeDirectory,
  storeExists,
  sweepRemains,
} from "./store-directory.ts";
import type { StoreFiles } from "./store-files.ts";
import { StoreList } from "./store-list.ts";

export class LevelStorage implements Storage {
  readonly kind = "level";
  readonly location: string;
  readonly shared = false;
  readonly #folder: DataFolder;
  readonly #list: StoreList;
  readonly #databaseOptions: LevelDatabaseOptions;
  /** Files of the stores that are open. */
  readonly #open = new Map<string, StoreFiles>();
  /**
   * Stores whose files were removed while this process used them. Making such a store anew would begin a second history
   * under its id.
   */
  readonly #vanished = new Set<string>();
  readonly #space: DiskSpace;
  #sweeping: Promise<void> | undefined;
  /** Calls that still touch the folder. Nobody waits for a probe, so `close` does. */
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: LevelStorageOptions) {
    this.location = options.path;
    this.#folder = new DataFolder(options.path, { requireData: options.requireData ?? false });
    this.#list = new StoreList(options.path);
    this.#databaseOptions = {
      cacheSize: options.cacheBytes ?? 8 * 1024 * 1024,
      writeBufferSize: options.writeBufferBytes ?? 32 * 1024 * 1024,
    };
    this.#space = new DiskSpace(options.path, this.#databaseOptions.writeBufferSize);
  }

  async open(storeId: string, options: { create: boolean }): Promise<PartitionStore | undefined> {
    assertStoreId(storeId);
    return await this.#run(() => this.#openIn(storeId, options));
  }

  async list(options: { after?: string; limit: number }): Promise<string[]> {
    return await this.#run(async () => {
      await this.#prepare();
      return await this.#list.page(options);
    });
  }

  async drop(storeId: string): Promise<void> {
    assertStoreId(storeId);
    await this.#run(async () => {
      await this.#prepare();
      if (await isStore(this.location, storeId)) {
        if (await isLocked(this.#database(storeId))) throw openAlready();
        await dropStoreDirectory(this.location, storeId);
      }
      this.#dropped(storeId);
    });
  }

  async probe(options: { create: boolean }): Promise<void> {
    await this.#run(() => this.#probe(options));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.#space.close();
  }

  /** Runs a call on the folder. `close` waits for it. */
  async #run<T>(call: () => Promise<T>): Promise<T> {
    const running = call();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw storageError(error);
    } finally {
      this.#running.delete(running);
    }
  }

  async #openIn(storeId: string, { create }: { create: boolean }): Promise<PartitionStore | undefined> {
    await this.#prepare();
    if (await storeExists(this.location, storeId)) this.#vanished.delete(storeId);
    else if (this.#vanished.has(storeId)) throw vanished();
    else if (!create) return undefined;
    else await this.#create(storeId);
    this.#space.refresh();
    return await this.#openStore(storeId);
  }

  async #probe(options: { create: boolean }): Promise<void> {
    this.#space.look();
    await this.#folder.probe(options);
    for (const [storeId, files] of this.#open) {
      try {
        files.check();
      } catch {
        // From now on calls on that store fail with the reason; the other stores are not affected.
        this.#vanished.add(storeId);
      }
    }
    this.#space.assertRoom();
  }

  async #prepare(): Promise<void> {
    this.#space.refresh();
    await this.#folder.check();
    await this.#sweep();
  }

  async #create(storeId: string): Promise<void> {
    this.#space.assertRoom();
    await this.#folder.prepare();
    await createStoreDirectory(this.location, storeId, async (directory) => {
      const database = makeDatabase(directory, this.#databaseOptions);
      await database.open({ createIfMissing: true, errorIfExists: true });
      await database.close();
    });
    this.#list.created(storeId);
  }

  async #openStore(storeId: string): Promise<PartitionStore> {
    const directory = storeDirectory(this.location, storeId);
    const { store, files } = await openLevelStore(directory, this.#databaseOptions, this.#space, {
      released: () => {
        if (this.#open.get(storeId) === files) this.#open.delete(storeId);
        if (files.gone) this.#vanished.add(storeId);
      },
      remove: async () => {
        // If the files are gone already, there is nothing left to delete.
        if (!files.gone || (await isStore(this.location, storeId))) await dropStoreDirectory(this.location, storeId);
        this.#dropped(storeId);
      },
    });
    this.#open.set(storeId, files);
    return store;
  }

  #dropped(storeId: string): void {
    this.#space.look();
    this.#vanished.delete(storeId);
    this.#list.dropped(storeId);
  }

  #database(storeId: string) {
    return makeDatabase(storeDirectory(this.location, storeId), this.#databaseOptions);
  }

  /** Sweeps once. If the sweep fails or leaves remains, the next use sweeps again. */
  #sweep(): Promise<void> {
    this.#sweeping ??= sweepRemains(this.location).then(
      (complete) => {
        if (!complete) this.#sweeping = undefined;
      },
      (error) => {
        this.#sweeping = undefined;
        throw error;
      },
    );
    return this.#sweeping;
  }
}

function openAlready(cause?: unknown) {
  return storageUnavailable("the store is open already, here or in another process; close it there first", cause);
}

function vanished() {
  return storageUnavailable(
    "the files of the store were removed while the server used them: put them back, delete the store, or restart the server",
    undefined,
    5_000,
  );
}
