const SLAB_BYTES = 65_536;
/** Largest part of a slab. Larger buffers are separate, so that they do not fill the slab in vain. */
const LARGEST_PART_BYTES = 4_096;

/**
 * Makes a function that cuts small buffers of zeros out of larger ones: making an ArrayBuffer costs more than filling a
 * small one. Buffers that follow each other in time are neighbours in memory. Nothing is used twice: a part keeps its
 * slab in memory.
 */
export function slab(): (length: number) => Uint8Array {
  let bytes = new Uint8Array();
  let used = 0;
  return (length) => {
    if (length > LARGEST_PART_BYTES) return new Uint8Array(length);
    if (used + length > bytes.length) {
      bytes = new Uint8Array(SLAB_BYTES);
      used = 0;
    }
    used += length;
    return bytes.subarray(used - length, used);
  };
}
