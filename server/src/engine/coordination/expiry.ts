import { LRUCache } from "lru-cache";
import type { RowVersion } from "../../storage/port.ts";

/**
 * How far the clocks of two instances may differ, in microseconds. Only rows that are overdue by more than this are
 * judged by the time that is written in them.
 */
export const CLOCK_TOLERANCE_MICROS = 600_000_000;

/** Rows that are remembered; one that is forgotten is waited for once more. */
const REMEMBERED = 16_384;

interface Sighting {
  readonly version: RowVersion;
  /** Milliseconds on the monotonic clock. */
  readonly since: number;
}

/** A row that its owner has to write again within a certain time. */
export interface Perishable {
  readonly version: RowVersion;
  /** How long it is good from its latest write on, in milliseconds. */
  readonly ttlMillis: number;
  /** When it ends, on the clock of the instance that wrote it; microseconds since 1970. */
  readonly expireTimeMicros: number;
}

/**
 * When rows expire whose owners have to renew them: leases, and hosts of workers.
 *
 * Clocks of different machines do not agree, and may be set while they run; so a row has expired once this instance has
 * seen the same version of it for the whole of its time, by its own monotonic clock. The owner counts from before it
 * sent the renewal, we from after we have seen it, so the owner's time is over first. All that is assumed is that
 * clocks run at about the same rate. Where nobody watched, a row is also over when it is overdue by more than clocks
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

  /** Takes note of a row that this instance has just written: it is watched from now on, without anybody's looking. */
  written(name: string, version: RowVersion): void {
    this.#seen.set(name, { version, since: this.#now() });
  }

  /** Takes note of a row as it was just read, and tells for how long it is good: milliseconds, 0 when it is over. */
  remaining(name: string, row: Perishable): number {
    // Before it is remembered: a list of rows that ended long ago shall not push out those that are watched.
    if (this.#clock() > row.expireTimeMicros + CLOCK_TOLERANCE_MICROS) return 0;
    const now = this.#now();
    const before = this.#seen.get(name);
    const since = before?.version === row.version ? before.since : now;
    if (since === now) this.#seen.set(name, { version: row.version, since });
    // In this order: a sum of large and small numbers may come out as more than the whole time.
    return Math.max(0, row.ttlMillis - (now - since));
  }
}
