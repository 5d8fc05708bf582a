/** Size of every record in these benchmarks, in bytes. */
export const PAYLOAD_BYTES = 256;

const POOL_SIZE = 4_096;

/**
 * Payloads that neither compress (LevelDB and some peers compress stored data) nor repeat within a block: a fixed
 * pseudo-random pool. It is the same in every process, so that a reader can check that it got the written bytes.
 */
const pool: readonly Buffer[] = makePool();

/** The payload of record `index` (from 0) of any stream. Shared: callers must not change it. */
export function payloadAt(index: number): Buffer {
  return pool[index % POOL_SIZE];
}

/** `count` payloads, from index `start` on. */
export function* payloads(count: number, start = 0): Generator<Buffer> {
  for (let index = start; index < start + count; index++) yield payloadAt(index);
}

function makePool(): Buffer[] {
  const bytes = Buffer.allocUnsafeSlow(POOL_SIZE * PAYLOAD_BYTES);
  let state = 0x9e3779b9;
  for (let at = 0; at < bytes.length; at += 4) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state | 0, at);
  }
  return Array.from({ length: POOL_SIZE }, (_, i) => bytes.subarray(i * PAYLOAD_BYTES, (i + 1) * PAYLOAD_BYTES));
}
