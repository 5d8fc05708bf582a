import { LRUCache } from "lru-cache";

/** Azure's own limit. */
const MAX_ENTITIES_PER_PAGE = 1_000;
/** Entities of the first page of a part, whose rows may have more than 1 MiB each. */
const INITIAL_ENTITIES = 16;
/** Weight of the latest page in the average. */
const WEIGHT = 0.5;

/**
 * Estimates the number of rows to ask for: Azure counts pages in entities, the port in bytes. An object remembers the
 * size of rows in each part of the key space, where a part is a partition and the beginning of a key.
 */
export class PageSize {
  readonly #rowBytes = new LRUCache<string, number>({ max: 1_000 });

  /** Number of entities to ask for to get about `pageBytes`. */
  entitiesFor(part: string, pageBytes: number): number {
    const rowBytes = this.#rowBytes.get(part) ?? pageBytes / INITIAL_ENTITIES;
    return Math.max(1, Math.min(MAX_ENTITIES_PER_PAGE, Math.ceil(pageBytes / rowBytes)));
  }

  /** Records the size of a page. */
  observe(part: string, entities: number, bytes: number): void {
    if (entities === 0) return;
    const before = this.#rowBytes.get(part);
    const now = Math.max(1, bytes / entities);
    // Larger rows count at once, since a page with too many of them costs memory.
    this.#rowBytes.set(part, before === undefined || now > before ? now : before + (now - before) * WEIGHT);
  }
}
