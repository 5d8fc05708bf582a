/**
 * A random UUID (version 4). Pages loaded over plain HTTP have no `crypto.randomUUID`, which exists in secure contexts
 * only; `crypto.getRandomValues` exists everywhere.
 */
export function randomId(): string {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  let hex = "";
  for (const byte of bytes) hex += HEX[byte];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const ID_BYTES = 16;
/** Random bytes of the next ids. To draw them for each id took a twentieth of the time of an append. */
const pool = new Uint8Array(64 * ID_BYTES);
let used = pool.length;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
