import { LRUCache } from "lru-cache";
import { cacheBudget, type Evictable, type MemoryBudget } from "../../memory-budget.ts";
import type { Database } from "./database.ts";
import { readStored } from "./read-stored.ts";
import { readVersion } from "./stored-value.ts";

/** The version of a row that does not exist; real versions start at 1. */
export const ABSENT = 0;

/** Most bytes of cached versions per database: some 14,000. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Bytes of a version in memory, with its place in the cache and without its key. Measured with Node.js 24. */
const VERSION_BYTES = 110;

/**
 * The versions of rows that commits have as conditions: a bounded cache in front of the database.
 *
 * The `WriteQueue` is the only writer, and it writes one batch after the other. So the cache and the database agree
 * when a batch begins.
 */
export class RowVersions implements Evictable {
  readonly #database: Database;
  // A bound by count would allocate all its memory at once; a bound by size does not.
  readonly #cache = new LRUCache<string, number>({
    maxSize: MAX_BYTES,
    sizeCalculation: (_, identity) => VERSION_BYTES + identity.length,
  });
  readonly #budget: MemoryBudget;

  constructor(database: Database, budget: MemoryBudget = cacheBudget) {
    this.#database = database;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#cache.calculatedSize;
  }

  dropOldest(): void {
    this.#cache.pop();
  }

  /** Forgets all versions and gives their memory back. */
  clear(): void {
    this.#cache.clear();
    this.#budget.emptied(this);
  }

  /**
   * Loads the current versions of some rows. A batch checks its conditions against them, and records its own writes in
   * them.
   *
   * @param keys stored keys by identity
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
        versions.set(identity, value === undefined ? ABSENT : readVersion(value));
      }
    }
    return versions;
  }

  /** Keeps the versions that one batch loaded and wrote. Called once the batch is durable. */
  store(versions: ReadonlyMap<string, number>): void {
    for (const [identity, version] of versions) this.#cache.set(identity, version);
    this.#budget.grown(this);
  }

  /** Forgets a row that a batch wrote without a condition on it. */
  forget(identity: string): void {
    this.#cache.delete(identity);
  }
}

/** A stored key as a string, to look it up in a Map: one character per byte. */
export function identityOf(key: Buffer): string {
  return key.toString("latin1");
}
