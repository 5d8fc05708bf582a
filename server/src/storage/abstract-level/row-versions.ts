import { LRUCache } from "lru-cache";
import type { Database } from "./database.ts";
import { readStored } from "./read-stored.ts";
import { readVersion } from "./stored-value.ts";

/** Stands for "there is no such row"; real versions start at 1. */
export const absent = 0;

/**
 * The versions of rows that commits have as conditions: a bounded cache in front of the database.
 *
 * Valid because nobody else writes, and because commits are written one batch after the other: when a batch begins, the
 * cache and the database agree.
 */
export class RowVersions {
  readonly #database: Database;
  // By size: a bound by count would reserve its memory at once.
  readonly #cache = new LRUCache<string, number>({ maxSize: 10_000, sizeCalculation: () => 1 });

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The current versions of some rows, for one batch to check its conditions against and to record its own writes in.
   * @param keys stored keys by identity.
   */
  async load(keys: ReadonlyMap<string, Buffer>): Promise<Map<string, number>> {
    const versions = new Map<string, number>();
    const missing: string[] = [];
    for (const identity of keys.keys()) {
      const version = this.#cache.get(identity);
      if (version === undefined) missing.push(identity);
      else versions.set(identity, version);
    }
    if (missing.length > 0) {
      const values = await readStored(
        this.#database,
        missing.map((identity) => keys.get(identity)!),
      );
      for (const [index, identity] of missing.entries()) {
        const value = values[index];
        versions.set(identity, value === undefined ? absent : readVersion(value));
      }
    }
    return versions;
  }

  /** Takes over what one batch loaded and, now durably, wrote. */
  store(versions: ReadonlyMap<string, number>): void {
    for (const [identity, version] of versions) this.#cache.set(identity, version);
  }

  /** Forgets a row that was written by a batch that had no condition on it. */
  forget(identity: string): void {
    this.#cache.delete(identity);
  }
}

/** A stored key as a string, to look it up in a Map: one character per byte. */
export function identityOf(key: Buffer): string {
  return key.toString("latin1");
}
