import type { Storage } from "../port.ts";
import { LevelStorage } from "./storage.ts";

export interface LevelStorageOptions {
  /** The folder that holds one directory per store. Made with the first store. */
  readonly path: string;
  /**
   * Refuse to work in a folder that holds no data yet. Guards against a volume that is not mounted: new histories would
   * begin under the ids of its stores. Default: false.
   */
  readonly requireData?: boolean;
  /** Bytes of uncompressed blocks that each open store keeps in memory for reads. Default: 8 MiB. */
  readonly cacheBytes?: number;
  /**
   * Bytes that each open store gathers in memory, and in its log, before it writes a table; at most 1/64 of the volume,
   * and at least 1 MiB. A larger buffer is faster for bulk loads, and slower to reopen after a crash. Default: 32 MiB.
   */
  readonly writeBufferBytes?: number;
}

/**
 * Storage in LevelDB, one database per store, in a local folder. A commit is acknowledged once it is fsynced (G4). One
 * process at a time can have a store open.
 */
export function levelStorage(options: LevelStorageOptions): Storage {
  return new LevelStorage(options);
}
