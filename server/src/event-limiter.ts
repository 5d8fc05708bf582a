import type { Report, StreamkitEvent } from "./event.ts";

/**
 * Kinds and stores that are told apart at a time; beyond, the events of a kind are counted together, whatever their
 * store.
 */
const MAX_TRACKED = 256;

interface Window {
  held: Report | undefined;
  count: number;
  readonly end: NodeJS.Timeout;
}

/**
 * Lets the first event of a kind and store through, and one per interval from then on, with the count of the others.
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

  /** Sends what is held back, and begins anew. */
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
