import type { Report, StreamkitEvent } from "./event.ts";

/**
 * Most pairs of kind and store with windows of their own. Beyond that, events of one kind share a window, for all
 * stores.
 */
const MAX_TRACKED = 256;

interface Window {
  held: Report | undefined;
  count: number;
  readonly end: NodeJS.Timeout;
}

/**
 * Passes the first event of each kind and store at once, then one per interval. That one is the latest, with the count
 * of the events that it stands for.
 */
export class EventLimiter {
  readonly #send: (event: StreamkitEvent) => void;
  readonly #intervalMillis: number;
  readonly #windows = new Map<string, Window>();

  constructor(send: (event: StreamkitEvent) => void, intervalMillis: number) {
    this.#send = send;
    this.#intervalMillis = intervalMillis;
  }

  take(report: Report): void {
    const own = `${report.kind} ${report.storeId ?? ""}`;
    const crowded = this.#windows.size >= MAX_TRACKED && !this.#windows.has(own);
    const key = crowded ? `${report.kind} *` : own;
    const window = this.#windows.get(key);
    if (window !== undefined) {
      window.held = report;
      window.count++;
      return;
    }
    this.#windows.set(key, { held: undefined, count: 0, end: this.#endOf(key) });
    this.#send({ ...report, count: 1 });
  }

  /** Sends the retained events, and starts over. */
  flush(): void {
    for (const { held, count, end } of this.#windows.values()) {
      clearTimeout(end);
      if (held !== undefined) this.#send({ ...held, count });
    }
    this.#windows.clear();
  }

  #endOf(key: string): NodeJS.Timeout {
    const end = setTimeout(() => {
      const window = this.#windows.get(key);
      this.#windows.delete(key);
      if (window?.held === undefined) return;
      this.#windows.set(key, { held: undefined, count: 0, end: this.#endOf(key) });
      this.#send({ ...window.held, count: window.count });
    }, this.#intervalMillis);
    return end.unref();
  }
}
