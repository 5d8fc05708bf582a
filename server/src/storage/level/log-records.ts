/**
 * Reads files in LevelDB's log format: the write-ahead logs and the manifest.
 *
 * A file is a sequence of blocks of 32 KiB. A block holds fragments and, where less than a header is left, a trailer. A
 * fragment is a header of 7 bytes (masked CRC-32C of type and data, length of the data as u16, type; little-endian) and
 * the data. A record is one FULL fragment, or FIRST, any number of MIDDLE, and LAST.
 */
import { crc32c } from "@node-rs/crc32";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;

const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** A record, or a damaged place. */
export type LogItem =
  | { readonly kind: "record"; readonly data: Uint8Array }
  /** Bytes that are no record, or a record without its beginning or end. */
  | { readonly kind: "damage"; readonly position: number };

interface Fragment {
  readonly type: number;
  readonly data: Uint8Array;
}

/**
 * The records and damages of a log file, in order. Continues behind a damage, in the same block where possible: valid
 * data behind a damage shows that the damage is no torn write.
 */
export function* logItems(file: Uint8Array): Generator<LogItem> {
  let parts: Uint8Array[] | undefined;
  let position = 0;
  while (position < file.length) {
    const blockEnd = Math.min(position - (position % BLOCK_BYTES) + BLOCK_BYTES, file.length);
    if (position + HEADER_BYTES > blockEnd) {
      // The trailer of a block, or a truncated header.
      if (blockEnd === file.length && blockEnd % BLOCK_BYTES !== 0) yield { kind: "damage", position };
      position = blockEnd;
      continue;
    }
    const fragment = fragmentAt(file, position, blockEnd);
    if (fragment === undefined) {
      yield { kind: "damage", position };
      parts = undefined;
      position = nextFragment(file, position, blockEnd);
      continue;
    }
    const begins = fragment.type === FULL || fragment.type === FIRST;
    if (begins !== (parts === undefined)) yield { kind: "damage", position };
    if (begins) parts = [];
    position += HEADER_BYTES + fragment.data.length;
    // The rest of a record whose beginning is damaged.
    if (parts === undefined) continue;
    parts.push(fragment.data);
    if (fragment.type === FULL || fragment.type === LAST) {
      yield { kind: "record", data: parts.length === 1 ? parts[0] : Buffer.concat(parts) };
      parts = undefined;
    }
  }
  if (parts !== undefined) yield { kind: "damage", position };
}

function fragmentAt(file: Uint8Array, position: number, blockEnd: number): Fragment | undefined {
  if (position + HEADER_BYTES > blockEnd) return undefined;
  const length = file[position + 4] | (file[position + 5] << 8);
  const type = file[position + 6];
  const end = position + HEADER_BYTES + length;
  if (type < FULL || type > LAST || end > blockEnd) return undefined;
  if (unmask(uint32(file, position)) !== crc32c(file.subarray(position + HEADER_BYTES - 1, end))) return undefined;
  return { type, data: file.subarray(position + HEADER_BYTES, end) };
}

/** The position to continue at behind a damaged fragment: the next valid fragment of the block, else the next block. */
function nextFragment(file: Uint8Array, damaged: number, blockEnd: number): number {
  const length = file[damaged + 4] | (file[damaged + 5] << 8);
  const claimedEnd = damaged + HEADER_BYTES + length;
  if (claimedEnd <= blockEnd && fragmentAt(file, claimedEnd, blockEnd) !== undefined) return claimedEnd;
  for (let position = damaged + 1; position < blockEnd; position++) {
    if (fragmentAt(file, position, blockEnd) !== undefined) return position;
  }
  return blockEnd;
}

function uint32(file: Uint8Array, position: number): number {
  return (file[position] | (file[position + 1] << 8) | (file[position + 2] << 16) | (file[position + 3] << 24)) >>> 0;
}

/** LevelDB masks stored checksums (rotation and offset), because a CRC over data that contains CRCs is problematic. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
