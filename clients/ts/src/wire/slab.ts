const SLAB_BYTES = 65_536;
/** Largest part of a slab. Larger buffers are separate, so that they do not fill the slab in vain. */
const LARGEST_PART_BYTES = 4_096;

/**
 * Cuts small buffers out of larger ones: making an ArrayBuffer costs more than filling a small one. Buffers that follow
 * each other in time are neighbours in memory. Nothing is used twice: a part keeps its slab in memory.
 */
export class Slab {
  #bytes = new Uint8Array();
  #used = 0;

  /** A buffer of zeros. */
  take(length: number): Uint8Array {
    if (length > LARGEST_PART_BYTES) return new Uint8Array(length);
    const end = this.#used + length;
    if (end <= this.#bytes.length) {
      const part = this.#bytes.subarray(this.#used, end);
      this.#used = end;
      return part;
    }
    this.#bytes = new Uint8Array(SLAB_BYTES);
    this.#used = length;
    return this.#bytes.subarray(0, length);
  }
}
