/** Number of segments that are remembered; a power of two. */
const SLOTS = 65_536;

/**
 * Tells the first read of a segment from later ones, so that a scan over many segments leaves the caches alone.
 *
 * It keeps a fingerprint for each of the segments read last, in 256 KiB, and no names. Two segments may share a
 * fingerprint or a slot. Then a cache keeps a segment one read too early or too late.
 */
export class SecondReads {
  readonly #fingerprints = new Uint32Array(SLOTS);
  #spaces = 0;

  /** Returns a number that tells the segments of one space from those of others. */
  salt(): number {
    return Math.imul(++this.#spaces, 0x9e3779b1);
  }

  /** True if the segment was read before. Remembers this read. */
  isSecond(salt: number, segment: string): boolean {
    // FNV-1a: https://datatracker.ietf.org/doc/html/draft-eastlake-fnv
    let hash = salt;
    for (let i = 0; i < segment.length; i++) hash = Math.imul(hash ^ segment.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const fingerprint = (hash ^ (hash >>> 13)) >>> 0 || 1;
    const slot = fingerprint % SLOTS;
    if (this.#fingerprints[slot] === fingerprint) return true;
    this.#fingerprints[slot] = fingerprint;
    return false;
  }
}

/** The reads of all stores of the process. */
export const secondReads = new SecondReads();
