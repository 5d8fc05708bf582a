import { LRUCache } from "lru-cache";
import { generationOf } from "./entity.ts";
import { partsOfRestRowKey } from "./row-key.ts";
import type { Table } from "./table.ts";

/** An entity that nobody needs any more. With `etag`, only as long as it has it. */
export interface Remnant {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag?: string;
}

/** Rests that are remembered, so that they go with their rows. */
const rememberedRests = 10_000;

/**
 * Entities that hold no row: rests of rows that were replaced or deleted, and marks of absence. They are invisible, so
 * removing them is not urgent; what a crash leaves is removed by the next scan that comes across it.
 */
export class Remains {
  readonly #table: Table;
  readonly #rests = new LRUCache<string, string>({ max: rememberedRests });
  readonly #removing = new Map<string, Promise<void>>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** Generation of the rest that a row was last seen to have. */
  restOf(partitionKey: string, rowKey: string): string | undefined {
    return this.#rests.get(`${partitionKey}\n${rowKey}`);
  }

  setRest(partitionKey: string, rowKey: string, generation: string | undefined): void {
    const identity = `${partitionKey}\n${rowKey}`;
    if (generation !== undefined) this.#rests.set(identity, generation);
    else if (this.#rests.size > 0) this.#rests.delete(identity);
  }

  /** Removes something in the background. */
  remove(remnant: Remnant): void {
    this.#start(remnant, async () => {
      const { partitionKey, ...operation } = remnant;
      await this.#table.transact(partitionKey, [{ kind: "delete", ...operation }]);
    });
  }

  /** Removes a rest that a scan found apart from its row, unless it belongs to it after all. */
  removeStray(partitionKey: string, rowKey: string): void {
    this.#start({ partitionKey, rowKey }, async () => {
      const parts = partsOfRestRowKey(rowKey);
      if (parts === undefined) return;
      // A rest is written together with its row, and no generation comes twice: once they differ, they always will.
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
    // What fails is found again by a scan.
    const removing = action()
      .catch(() => undefined)
      .finally(() => this.#removing.delete(identity));
    this.#removing.set(identity, removing);
  }
}
