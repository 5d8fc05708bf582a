/** Ids in byte order (they are ASCII), for pages of lists. */
export class SortedIds {
  #ids: string[];

  constructor(ids: Iterable<string> = []) {
    this.#ids = [...ids].sort();
  }

  get size(): number {
    return this.#ids.length;
  }

  add(id: string): void {
    const at = this.#firstFrom(id);
    if (this.#ids[at] !== id) this.#ids.splice(at, 0, id);
  }

  delete(id: string): void {
    const at = this.#firstFrom(id);
    if (this.#ids[at] === id) this.#ids.splice(at, 1);
  }

  /** The ids after `after`, at most `limit`. */
  page({ after, limit }: { after?: string; limit: number }): string[] {
    let at = after === undefined ? 0 : this.#firstFrom(after);
    if (after !== undefined && this.#ids[at] === after) at++;
    return this.#ids.slice(at, at + limit);
  }

  /** Index of the first id that is not below the given id. */
  #firstFrom(id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
