/**
 * Ids of the stores in a folder. The list reads the folder once, follows the creations and drops of this process, and
 * reads the folder again when other processes change it.
 */
import { stat } from "node:fs/promises";
import { SortedIds } from "../abstract-level/sorted-ids.ts";
import { isMissing } from "./file-error.ts";
import { isStore, namesOfStores } from "./store-directory.ts";

/** Time between two looks at the folder, in milliseconds: changes by other processes may show this much later. */
const LOOK_MILLIS = 1_000;
/** A folder that changed more recently may change again without a new modification time. */
const SETTLED_NANOS = 2_000_000_000n;

export class StoreList {
  readonly #path: string;
  #ids: SortedIds | undefined;
  #changed: bigint | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<SortedIds> | undefined;
  /** Creations (true) and drops (false) by this process while the folder was being read. */
  readonly #meanwhile = new Map<string, boolean>();

  constructor(path: string) {
    this.#path = path;
  }

  created(id: string): void {
    if (this.#reading !== undefined) this.#meanwhile.set(id, true);
    this.#ids?.add(id);
  }

  dropped(id: string): void {
    if (this.#reading !== undefined) this.#meanwhile.set(id, false);
    this.#ids?.delete(id);
  }

  async page({ after, limit }: { after?: string; limit: number }): Promise<string[]> {
    const ids = await this.#current();
    const found: string[] = [];
    let last = after;
    while (found.length < limit) {
      const candidates = ids.page({ limit: limit - found.length, ...(last !== undefined && { after: last }) });
      last = candidates.at(-1);
      if (last === undefined) break;
      const isOne = await Promise.all(candidates.map((id) => isStore(this.#path, id)));
      found.push(...candidates.filter((_, index) => isOne[index]));
    }
    return found;
  }

  async #current(): Promise<SortedIds> {
    if (this.#ids !== undefined && performance.now() - this.#lookedAt < LOOK_MILLIS) return this.#ids;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
      this.#meanwhile.clear();
    });
    return this.#reading;
  }

  async #read(): Promise<SortedIds> {
    const changed = await this.#timeOfChange();
    if (this.#ids === undefined || changed === undefined || changed !== this.#changed) {
      const ids = new SortedIds(await namesOfStores(this.#path));
      for (const [id, exists] of this.#meanwhile) {
        if (exists) ids.add(id);
        else ids.delete(id);
      }
      this.#ids = ids;
      const settled = changed !== undefined && BigInt(Date.now()) * 1_000_000n - changed > SETTLED_NANOS;
      this.#changed = settled ? changed : undefined;
    }
    this.#lookedAt = performance.now();
    return this.#ids;
  }

  async #timeOfChange(): Promise<bigint | undefined> {
    try {
      return (await stat(this.#path, { bigint: true })).mtimeNs;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}
