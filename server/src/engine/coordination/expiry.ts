import { LRUCache } from "lru-cache";
import type { RowVersion } from "../../storage/port.ts";

/**
 * Largest assumed difference between the clocks of two instances, in microseconds. An instance trusts the stored expiry
 * time of a row only if the row is overdue by more than this.
 */
export const CLOCK_TOLERANCE_MICROS = 600_000_000;

/** Rows that one instance remembers. It observes a forgotten row for its whole ttl again. */
const REMEMBERED = 16_384;

interface Sighting {
  readonly version: RowVersion;
  /** Time of the first observation, in milliseconds on the monotonic clock. */
  readonly since: number;
}

/** A row that its owner must write again within a certain time. */
export interface Perishable {
  readonly version: RowVersion;
  /** Time for which the row is valid after its latest write, in milliseconds. */
  readonly ttlMillis: number;
  /** End of that time, on the clock of the instance that wrote the row; microseconds since 1970. */
  readonly expireTimeMicros: number;
}

/**
 * Decides when rows expire that their owners must renew: leases, and hosts of workers.
 *
 * Clocks of different machines differ, and may be set at any time. So a row expires once this instance has observed the
 * same version of it for its full ttl, on its own monotonic clock. The owner counts from before it sends a renewal, and
 * this instance counts from after it has read the row, so the owner's time ends first. This assumes only that all
 * clocks run at about the same rate. A row that was not observed expires as well once it is overdue by more than clocks
 * may differ.
 */
export class Expiry {
  readonly #seen = new LRUCache<string, Sighting>({ maxSize: REMEMBERED, sizeCalculation: () => 1 });
  readonly #now: () => number;
  readonly #clock: () => number;

  /**
   * @param clock microseconds since 1970
   * @param now milliseconds on a monotonic clock
   */
  constructor(clock: () => number, now: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#now = now;
  }

  /** Records that this instance has just written a row. Its observation starts now, without a read. */
  written(name: string, version: RowVersion): void {
    this.#seen.set(name, { version, since: this.#now() });
  }

  /**
   * Records a row that was just read. Returns the time for which it is still valid, in milliseconds; 0 if it has
   * expired.
   */
  remaining(name: string, row: Perishable): number {
    // Before the row is remembered: a list of rows that expired long ago must not displace rows under observation.
    if (this.#clock() > row.expireTimeMicros + CLOCK_TOLERANCE_MICROS) return 0;
    const now = this.#now();
    const before = this.#seen.get(name);
    const since = before?.version === row.version ? before.since : now;
    if (since === now) this.#seen.set(name, { version: row.version, since });
    // In this order, because a sum of large and small numbers may exceed the full ttl.
    return Math.max(0, row.ttlMillis - (now - since));
  }
}
