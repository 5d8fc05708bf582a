import { MemoryLevel } from "memory-level";
import { StoreDeletedError, storageUnavailable } from "../../errors.ts";
import type { Database } from "../abstract-level/database.ts";
import { AbstractLevelPartitionStore } from "../abstract-level/partition-store.ts";
import { SortedIds } from "../abstract-level/sorted-ids.ts";
import { assertStoreId } from "../abstract-level/store-id.ts";
import { VersionCounter } from "../abstract-level/version-counter.ts";
import { WriteQueue } from "../abstract-level/write-queue.ts";
import type { PartitionStore, Storage } from "../port.ts";

interface MemoryStore {
  readonly database: Database;
  /** All handles commit through this queue, so that conditions hold across handles. */
  readonly commits: WriteQueue;
  handles: number;
}

export class MemoryStorage implements Storage {
  readonly kind = "memory";
  readonly location = "memory of this process";
  readonly shared: boolean;
  /** Promises, so that concurrent first opens make one store. */
  readonly #stores = new Map<string, Promise<MemoryStore>>();
  readonly #ids = new SortedIds();

  constructor({ shared = false }: { readonly shared?: boolean }) {
    this.shared = shared;
  }

  async open(storeId: string, { create }: { create: boolean }): Promise<PartitionStore | undefined> {
    assertStoreId(storeId);
    let opening = this.#stores.get(storeId);
    if (opening === undefined) {
      if (!create) return undefined;
      opening = newStore();
      this.#stores.set(storeId, opening);
      // A failed open is not kept; the next one tries again.
      opening.catch(() => this.#stores.delete(storeId));
      this.#ids.add(storeId);
    }
    const store = await opening;
    if (store.handles > 0 && !this.shared)
      throw storageUnavailable("the store is open already; close it first, or use memoryStorage({ shared: true })");
    store.handles += 1;
    return new AbstractLevelPartitionStore(store.database, store.commits, {
      release: async () => {
        store.handles -= 1;
      },
      remove: async () => {
        if (this.#stores.get(storeId) !== opening) return;
        this.#stores.delete(storeId);
        this.#ids.delete(storeId);
      },
      assertPresent: () => {
        if (this.#stores.get(storeId) !== opening) throw new StoreDeletedError();
      },
    });
  }

  async list(options: { after?: string; limit: number }): Promise<string[]> {
    return this.#ids.page(options);
  }

  async close(): Promise<void> {}
}

async function newStore(): Promise<MemoryStore> {
  const database = new MemoryLevel<Uint8Array, Uint8Array>({
    storeEncoding: "view",
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await database.open();
  return { database, commits: new WriteQueue(database, await VersionCounter.recover(database)), handles: 0 };
}
