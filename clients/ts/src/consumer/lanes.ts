/** Work that belongs behind other work with the same key. */
export type Task = () => Promise<void>;

/**
 * Runs tasks of the same key one after the other, in the order in which they came, and those of different keys at the same
 * time, up to a bound.
 */
export class Lanes {
  private readonly concurrency: number;
  private readonly onError: (error: unknown) => void;
  /** Keys with tasks, in the order in which they want to run; those that run are in it with what waits behind. */
  private readonly queues = new Map<string, Task[]>();
  private readonly ready: string[] = [];
  private running = 0;
  private waiting: (() => void)[] = [];
  private queued = 0;
  private stopped = false;

  /** @param onError told when a task rejects; no further task is begun then */
  constructor(concurrency: number, onError: (error: unknown) => void) {
    this.concurrency = concurrency;
    this.onError = onError;
  }

  /** Tasks that are not finished. */
  get size(): number {
    return this.queued;
  }

  add(key: string, task: Task): void {
    if (this.stopped) return;
    this.queued++;
    const queue = this.queues.get(key);
    if (queue !== undefined) {
      queue.push(task);
      return;
    }
    this.queues.set(key, [task]);
    this.ready.push(key);
    this.start();
  }

  /** Resolves when fewer than `count` tasks are left, or no more are begun. */
  async fewerThan(count: number): Promise<void> {
    while (this.queued >= count && !this.stopped) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
  }

  /** Begins no further task, and resolves when those that run have ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    while (this.running > 0) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
  }

  private start(): void {
    while (!this.stopped && this.running < this.concurrency) {
      const key = this.ready.shift();
      if (key === undefined) return;
      this.running++;
      void this.run(key);
    }
  }

  private async run(key: string): Promise<void> {
    const queue = this.queues.get(key) as Task[];
    const task = queue.shift() as Task;
    try {
      await task();
    } catch (error) {
      this.stopped = true;
      this.onError(error);
    }
    this.running--;
    this.queued--;
    if (queue.length === 0) this.queues.delete(key);
    else this.ready.push(key);
    this.start();
    this.wake();
  }

  private wake(): void {
    for (const resume of this.waiting.splice(0)) resume();
  }
}
