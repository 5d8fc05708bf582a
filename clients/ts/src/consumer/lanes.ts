/** Options of lanes. */
export interface LanesOptions<Item> {
  /** Most keys handled at the same time. */
  readonly concurrency: number;
  /** Most items of one call of `handle`. */
  readonly most: number;
  /** Handles items of one key, in the order of their arrival. */
  readonly handle: (items: Item[]) => Promise<void>;
  /** Called when `handle` rejects. The lanes then start no further call. */
  readonly onError: (error: unknown) => void;
}

/**
 * Handles items of the same key in the order of their arrival, one after the other or together, and items of different
 * keys at the same time, up to a bound. Items that the caller adds without a pause arrive together.
 */
export class Lanes<Item> {
  readonly #options: LanesOptions<Item>;
  /** Waiting items by key. A running key is in the map, also if no more items wait. */
  readonly #queues = new Map<string, Item[]>();
  readonly #ready: string[] = [];
  #running = 0;
  #waiting: (() => void)[] = [];
  #queued = 0;
  #starting = false;
  #stopped = false;

  constructor(options: LanesOptions<Item>) {
    this.#options = options;
  }

  /** Number of unfinished items. */
  get size(): number {
    return this.#queued;
  }

  add(key: string, item: Item): void {
    if (this.#stopped) return;
    this.#queued++;
    const queue = this.#queues.get(key);
    if (queue !== undefined) {
      queue.push(item);
      return;
    }
    this.#queues.set(key, [item]);
    this.#ready.push(key);
    this.#startSoon();
  }

  /** Resolves when fewer than `count` items are unfinished, or the lanes were stopped. */
  async fewerThan(count: number): Promise<void> {
    while (this.#queued >= count && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Starts no further call, and resolves when the running calls have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    while (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Starts calls once the adding caller pauses, so that the first call gets more than the first item. */
  #startSoon(): void {
    if (this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      this.#start();
    });
  }

  #start(): void {
    while (!this.#stopped && this.#running < this.#options.concurrency) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      this.#running++;
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const queue = this.#queues.get(key) as Item[];
    const items = queue.splice(0, this.#options.most);
    try {
      await this.#options.handle(items);
    } catch (error) {
      this.#stopped = true;
      this.#options.onError(error);
    }
    this.#running--;
    this.#queued -= items.length;
    if (queue.length === 0) this.#queues.delete(key);
    else this.#ready.push(key);
    this.#wake();
    this.#startSoon();
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}
