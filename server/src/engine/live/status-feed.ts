/** About the bytes of names that a slow subscriber may be behind with; beyond, it looks at all segments again. */
const MAX_NAME_BYTES = 4 * 1024 * 1024;
/** What a remembered name takes besides its characters. */
const NAME_OVERHEAD = 64;

/** Which segments a subscriber watches. */
export interface SegmentFilter {
  /** One segment, or "" for all that start with `prefix`. */
  readonly segment: string;
  readonly prefix: string;
}

/**
 * One subscriber to states of segments: remembers which have changed, and not how. Whoever delivers reads the state as
 * it is then; so the latest wins, and a subscriber that is slow costs names and nothing else (G10).
 */
export class StatusSubscription implements Disposable {
  readonly #filter: SegmentFilter;
  readonly #release: () => void;
  #names = new Set<string>();
  #bytes = 0;
  #everything = false;
  #wake: (() => void) | undefined;

  /** @param release called when the subscription ends */
  constructor(filter: SegmentFilter, release: () => void) {
    this.#filter = filter;
    this.#release = release;
  }

  /** Takes note of segments that have changed; of all, with `undefined`. */
  touch(segments: readonly string[] | undefined): void {
    const { segment, prefix } = this.#filter;
    if (segment !== "") {
      if (segments === undefined || segments.includes(segment)) this.#names.add(segment);
    } else if (segments === undefined) {
      this.#everything = true;
    } else if (!this.#everything) {
      for (const name of segments) {
        if (!name.startsWith(prefix) || this.#names.has(name)) continue;
        this.#names.add(name);
        this.#bytes += name.length + NAME_OVERHEAD;
      }
      if (this.#bytes > MAX_NAME_BYTES) this.#everything = true;
    }
    if (this.#everything) {
      this.#names.clear();
      this.#bytes = 0;
    }
    if (this.#everything || this.#names.size > 0) this.#wake?.();
  }

  /** What has changed since the last call, by name, or "everything"; `undefined` when nothing has. */
  take(): ReadonlySet<string> | "everything" | undefined {
    if (this.#everything) {
      this.#everything = false;
      return "everything";
    }
    if (this.#names.size === 0) return undefined;
    const taken = this.#names;
    this.#names = new Set();
    this.#bytes = 0;
    return taken;
  }

  /** Calls back at the next change; returns how to take that back. */
  onWake(callback: () => void): () => void {
    this.#wake = callback;
    return () => {
      this.#wake = undefined;
    };
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
