import { LRUCache } from "lru-cache";
import { generationOf } from "./entity.ts";
import { partsOfRestRowKey } from "./row-key.ts";
import type { Table } from "./table.ts";

/** An obsolete entity. With `etag`, it is obsolete only while it has that ETag. */
export interface Remnant {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag?: string;
}

/** Number of rests that an object remembers, so that a commit can delete them with their rows. */
const REMEMBERED_RESTS = 10_000;

/**
 * Removes entities that hold no row: rests of replaced or deleted rows, and marks of absence. Readers skip them, so
 * removing them is not urgent. After a crash, the next scan that meets them removes them.
 */
export class Remains {
  readonly #table: Table;
  readonly #rests = new LRUCache<string, string>({ max: REMEMBERED_RESTS });
  readonly #removing = new Map<string, Promise<void>>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** Generation of the last seen rest of a row; `undefined` if the row had none, or the object does not remember it. */
  restOf(partitionKey: string, rowKey: string): string | undefined {
    return this.#rests.get(`${partitionKey}\n${rowKey}`);
  }

  setRest(partitionKey: string, rowKey: string, generation: string | undefined): void {
    const identity = `${partitionKey}\n${rowKey}`;
    if (generation !== undefined) this.#rests.set(identity, generation);
    else if (this.#rests.size > 0) this.#rests.delete(identity);
  }

  /** Removes an entity in the background. */
  remove(remnant: Remnant): void {
    this.#start(remnant, async () => {
      const { partitionKey, ...operation } = remnant;
      await this.#table.transact(partitionKey, [{ kind: "delete", ...operation }]);
    });
  }

  /** Removes a rest that a scan found apart from its row, unless the row still refers to it. */
  removeStray(partitionKey: string, rowKey: string): void {
    this.#start({ partitionKey, rowKey }, async () => {
      const parts = partsOfRestRowKey(rowKey);
      if (parts === undefined) return;
      // A commit writes a rest together with its row, and no generation is used twice. A rest that differs once is
      // obsolete for ever.
      const row = await this.#table.get(partitionKey, parts.rowKey, ["g"]);
      if (row !== undefined && generationOf(row) === parts.generation) return;
      await this.#table.transact(partitionKey, [{ kind: "delete", rowKey }]);
    });
  }

  /** Waits for removals under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#removing.values());
  }

  #start({ partitionKey, rowKey }: Remnant, action: () => Promise<void>): void {
    const identity = `${partitionKey}\n${rowKey}`;
    if (this.#removing.has(identity)) return;
    // A later scan finds the entity again if this removal fails.
    const removing = action()
      .catch(() => undefined)
      .finally(() => this.#removing.delete(identity));
    this.#removing.set(identity, removing);
  }
}
