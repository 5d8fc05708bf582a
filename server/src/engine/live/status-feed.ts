/**
 * Approximate bytes of pending names that a slow subscriber may accumulate. Beyond it, the subscriber reads all
 * segments again.
 */
const MAX_NAME_BYTES = 4 * 1024 * 1024;
/** Bytes that a remembered name takes in addition to its characters. */
const NAME_OVERHEAD = 64;

/** Selects the segments that a subscriber watches. */
export interface SegmentFilter {
  /** Name of one segment, or "" for all segments that start with `prefix`. */
  readonly segment: string;
  readonly prefix: string;
}

/**
 * One subscriber to segment statuses. It remembers the names of changed segments only. The subscriber reads a status
 * when it delivers it, so the latest status wins, and a slow subscriber costs only names (G10).
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

  /**
   * Records changed segments.
   *
   * @param segments names of the changed segments; undefined if any segment may have changed
   */
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

  /**
   * Returns the names of the segments that changed since the last call; "everything" if all may have changed, undefined
   * if none has.
   */
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

  /** Calls back at the next change. Returns a function that cancels the callback. */
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
