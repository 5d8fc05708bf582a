import { randomUUID } from "node:crypto";
import type { PartitionStore, Storage } from "../port.ts";

/** The part of a test framework that the suite uses; vitest, node:test and mocha all have it. */
export interface TestRunner {
  describe(name: string, declare: () => void): unknown;
  it(name: string, run: () => Promise<void>): unknown;
}

/** Permitted differences between backends. */
export interface ContractCapabilities {
  /**
   * A store can be open only once at a time: a second `open` fails with STORAGE_UNAVAILABLE. Default: not
   * `storage.shared`.
   */
  readonly exclusive?: boolean;
  /** Number of histories in the property test. Default: 50. Use fewer if a commit takes milliseconds. */
  readonly modelRuns?: number;
}

export interface ContractOptions {
  /** Name of the backend, for the report. */
  readonly name: string;
  readonly runner: TestRunner;
  /** Makes a storage without stores. The suite calls it once per test. */
  makeStorage(): Storage | Promise<Storage>;
  /** Makes another object on the same place, as after a restart of the process. Default: keeps the same object. */
  restartStorage?(storage: Storage): Storage | Promise<Storage>;
  /** Removes a storage of `makeStorage`, after the suite has closed it. */
  removeStorage?(storage: Storage): Promise<void>;
  readonly capabilities?: ContractCapabilities;
}

/** The arguments of a test: a storage with one open store. The suite closes both. */
export interface ContractContext {
  readonly storage: Storage;
  readonly storeId: string;
  readonly store: PartitionStore;
  /** Closes the store, restarts the storage, and opens the store again. Use the result from then on. */
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

/** Opens a store, and makes it if needed. */
export async function openStore(storage: Storage, storeId: string): Promise<PartitionStore> {
  const store = await storage.open(storeId, { create: true });
  if (store === undefined) throw new Error("open with create: true returned no store");
  return store;
}
