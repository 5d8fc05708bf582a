import { LRUCache } from "lru-cache";

/** Azure's own limit. */
const maxEntitiesPerPage = 1_000;
/** Where nothing is known: rows may have more than 1 MiB each. */
const initialEntities = 16;
/** Weight of the latest page in the average. */
const weight = 0.5;

/**
 * How many rows to ask for. Azure's pages are counted in entities, the port's in bytes: this remembers how large rows
 * are in each part of the key space, where a part is a partition and the beginning of a key.
 */
export class PageSize {
  readonly #rowBytes = new LRUCache<string, number>({ max: 1_000 });

  /** Entities to ask for, in order to get about `pageBytes`. */
  entitiesFor(part: string, pageBytes: number): number {
    const rowBytes = this.#rowBytes.get(part) ?? pageBytes / initialEntities;
    return Math.max(1, Math.min(maxEntitiesPerPage, Math.ceil(pageBytes / rowBytes)));
  }

  /** Takes note of a page. */
  observe(part: string, entities: number, bytes: number): void {
    if (entities === 0) return;
    const before = this.#rowBytes.get(part);
    const now = Math.max(1, bytes / entities);
    // Growing rows count at once: a page of too many of them is what costs memory.
    this.#rowBytes.set(part, before === undefined || now > before ? now : before + (now - before) * weight);
  }
}
