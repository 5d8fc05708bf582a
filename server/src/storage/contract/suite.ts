import { randomUUID } from "node:crypto";
import type { PartitionStore, Storage } from "../port.ts";

/** The part of a test framework that the suite uses; vitest, node:test and mocha all have it. */
export interface TestRunner {
  describe(name: string, declare: () => void): unknown;
  it(name: string, run: () => Promise<void>): unknown;
}

/** In what a backend may differ. */
export interface ContractCapabilities {
  /** Only one open of a store at a time: a second one fails with STORAGE_UNAVAILABLE. Default: not `storage.shared`. */
  readonly exclusive?: boolean;
  /** Histories that the property test tries. Default: 50. Fewer where a commit takes milliseconds. */
  readonly modelRuns?: number;
}

export interface ContractOptions {
  /** Name of the backend, for the report. */
  readonly name: string;
  readonly runner: TestRunner;
  /** Makes a storage without stores. Called once per test. */
  makeStorage(): Storage | Promise<Storage>;
  /** Makes another object on the same place, as after a restart of the process. Default: the same object goes on. */
  restartStorage?(storage: Storage): Storage | Promise<Storage>;
  /** Removes what `makeStorage` made; the storage is closed by then. */
  removeStorage?(storage: Storage): Promise<void>;
  readonly capabilities?: ContractCapabilities;
}

/** What a test works with: a storage with one open store, ended by the suite. */
export interface ContractContext {
  readonly storage: Storage;
  readonly storeId: string;
  readonly store: PartitionStore;
  /** Closes the store, restarts the storage, and opens the store again; use the result from then on. */
  reopen(): Promise<PartitionStore>;
}

export interface ContractTests {
  readonly capabilities: ContractCapabilities;
  describe(name: string, declare: () => void): void;
  it(name: string, run: (context: ContractContext) => Promise<void>): void;
}

export function contractTests(options: ContractOptions): ContractTests {
  const { describe, it } = options.runner;
  return {
    capabilities: options.capabilities ?? {},
    describe: (name, declare) => {
      describe(name, declare);
    },
    it: (name, run) => {
      it(name, () => withStore(options, run));
    },
  };
}

async function withStore(options: ContractOptions, run: (context: ContractContext) => Promise<void>): Promise<void> {
  const storeId = randomUUID();
  let storage = await options.makeStorage();
  let store = await openStore(storage, storeId);
  try {
    await run({
      get storage() {
        return storage;
      },
      storeId,
      get store() {
        return store;
      },
      reopen: async () => {
        await store.close();
        if (options.restartStorage !== undefined) {
          await storage.close();
          storage = await options.restartStorage(storage);
        }
        store = await openStore(storage, storeId);
        return store;
      },
    });
  } finally {
    await store.close();
    await storage.close();
    await options.removeStorage?.(storage);
  }
}

/** Opens a store, making it when needed. */
export async function openStore(storage: Storage, storeId: string): Promise<PartitionStore> {
  const store = await storage.open(storeId, { create: true });
  if (store === undefined) throw new Error("open with create: true returned no store");
  return store;
}
