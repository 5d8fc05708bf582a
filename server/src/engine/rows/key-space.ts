/**
 * The key space: every stored key, its order and its value.
 *
 * All rows of a space are in one partition, `s:` + the name of the space, so that one atomic batch can write all of
 * them. Keys start with a tag byte. Names have no control characters, so U+0000 ends a name inside a key. Positions are
 * big-endian unsigned 64-bit, so that byte order is numeric order. Values are framed messages of
 * `streamkit.storage.v1`.
 *
 * | key                                     | value                  | there is one                              |
 * |-----------------------------------------|------------------------|-------------------------------------------|
 * | `b` segment 00 last_sequence            | SegmentBlock           | per commit and segment written            |
 * | `c` changes                             | ChangeNote             | per recent commit that did not only append|
 * | `g` segment                             | PendingReclaim         | per segment with rows left to remove      |
 * | `h`                                     | SpaceHead              | per space; a condition of every commit    |
 * | `o` last_offset                         | SpaceBlock             | per commit, or a few                      |
 * | `s` segment                             | SegmentHead            | per segment ever written                  |
 * | `t` transaction id, 16 or 24 bytes      | CommittedTransaction   | per recent transaction w/o expectation    |
 *
 * The key of a block has its LAST position. The block that contains position X is therefore the first row at or after
 * X, and one range read finds it even on stores that cannot scan backwards.
 */
import type { KeyRange } from "../../storage/port.ts";
import { hexDigit, UUID_LENGTH, WRITER_BYTES } from "./transaction-id.ts";

const TAG = {
  segmentBlock: 0x62,
  change: 0x63,
  reclaim: 0x67,
  head: 0x68,
  spaceBlock: 0x6f,
  segmentHead: 0x73,
  transaction: 0x74,
};

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const PARTITION_PREFIX = "s:";

/** Returns the partition of a space. */
export function spacePartition(space: string): string {
  return PARTITION_PREFIX + space;
}

/** Returns the space of a partition. */
export function partitionSpace(partition: string): string {
  return partition.slice(PARTITION_PREFIX.length);
}

/** Key of the SpaceHead. */
export const HEAD_KEY: Uint8Array = Uint8Array.of(TAG.head);

/** Returns the key of the SegmentHead of a segment. */
export function segmentHeadKey(segment: string): Uint8Array {
  return namedKey(TAG.segmentHead, segment);
}

/** Returns the segment of a SegmentHead's key. */
export function segmentOfHeadKey(key: Uint8Array): string {
  return nameOfKey(key);
}

/** Returns the range of the SegmentHeads whose names start with `prefix` and, in byte order, come after `after`. */
export function segmentHeadRange(prefix: string, after = ""): KeyRange {
  return namedRange(TAG.segmentHead, prefix, after);
}

/** Returns the key of the segment block that ends with `lastSequence`. */
export function segmentBlockKey(segment: string, lastSequence: number): Uint8Array {
  const name = encoder.encode(segment);
  const key = new Uint8Array(name.length + 10);
  key[0] = TAG.segmentBlock;
  key.set(name, 1);
  writePosition(key, name.length + 2, lastSequence);
  return key;
}

/** Returns a range of all segment blocks with sequences `from` to `through`. The range may contain later blocks too. */
export function segmentBlockRange(segment: string, from: number, through: number): KeyRange {
  // The block with `through` may end after it, so the range must reach further. Readers stop after that block.
  return { gte: segmentBlockKey(segment, from), lt: segmentBlockKey(segment, through + MAX_BLOCK_ENTRIES) };
}

/** Returns the key of the space block that ends with `lastOffset`. */
export function spaceBlockKey(lastOffset: number): Uint8Array {
  return taggedPosition(TAG.spaceBlock, lastOffset);
}

/** Returns the key of the ChangeNote of the commit that set SpaceHead.changes to `changes`. */
export function changeKey(changes: number): Uint8Array {
  return taggedPosition(TAG.change, changes);
}

/** Returns the range of the ChangeNotes from `from` to `through`. */
export function changeRange(from: number, through: number): KeyRange {
  return { gte: changeKey(from), lt: changeKey(through + 1) };
}

/** Returns the range of the space blocks with offsets from `from` on. */
export function spaceBlockRange(from: number): KeyRange {
  return { gte: spaceBlockKey(from), lt: Uint8Array.of(TAG.spaceBlock + 1) };
}

/** Returns the position at the end of a block's key. */
export function lastPositionOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset + key.length - 8, 8);
  return view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
}

/**
 * Returns the key of a remembered transaction.
 *
 * @param id a UUID in its 36-character form, in lower case, perhaps with the mark of its writer (transaction-id.ts)
 */
export function transactionKey(id: string): Uint8Array {
  const length = id.length > UUID_LENGTH ? 17 + WRITER_BYTES : 17;
  const key = new Uint8Array(length);
  key[0] = TAG.transaction;
  for (let at = 1, index = 0; at < length; at++, index += 2) {
    // The id has a dash before its 9th, 13th, 17th and 21st digit.
    if (id.charCodeAt(index) === DASH) index++;
    key[at] = (hexDigit(id.charCodeAt(index)) << 4) | hexDigit(id.charCodeAt(index + 1));
  }
  return key;
}

/** Returns the id of a remembered transaction, of which this is the key. */
export function transactionOfKey(key: Uint8Array): string {
  const hex = Buffer.from(key.subarray(1)).toString("hex");
  // The mark of a writer follows its UUID without a dash.
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return parts.join("-");
}

const DASH = 0x2d;

/** Range of all remembered transactions. */
export const TRANSACTION_RANGE: KeyRange = prefixRange(Uint8Array.of(TAG.transaction));

/** The name under which a deleted space has its PendingReclaim. No segment has this name. */
export const WHOLE_SPACE = "";

/** Returns the key of the PendingReclaim of a segment. */
export function reclaimKey(segment: string): Uint8Array {
  return namedKey(TAG.reclaim, segment);
}

/** Returns the segment of a PendingReclaim's key. */
export function segmentOfReclaimKey(key: Uint8Array): string {
  return nameOfKey(key);
}

/** Range of all PendingReclaims. */
export const RECLAIM_RANGE: KeyRange = prefixRange(Uint8Array.of(TAG.reclaim));

/** Compares unsigned bytes: the order of keys and of names. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Compares names by their UTF-8 bytes. JavaScript's own order differs beyond U+FFFF. */
export function compareNames(a: string, b: string): number {
  return compareBytes(encoder.encode(a), encoder.encode(b));
}

/** Returns a key of a tag byte and a name. */
export function namedKey(tag: number, name: string): Uint8Array {
  const bytes = encoder.encode(name);
  const key = new Uint8Array(bytes.length + 1);
  key[0] = tag;
  key.set(bytes, 1);
  return key;
}

/** Returns the name in a key of a tag byte and a name. */
export function nameOfKey(key: Uint8Array): string {
  return decoder.decode(key.subarray(1));
}

/**
 * Returns the range of the keys with this tag whose names start with `prefix` and, in byte order, come after `after`.
 */
export function namedRange(tag: number, prefix: string, after = ""): KeyRange {
  const range = prefixRange(namedKey(tag, prefix));
  if (after === "") return range;
  const next = successor(namedKey(tag, after));
  return { gte: compareBytes(next, range.gte) > 0 ? next : range.gte, lt: range.lt };
}

/** Upper bound of the entries in a block. A commit merges small transactions up to this many entries per row. */
export const MAX_BLOCK_ENTRIES = 65_536;

function taggedPosition(tag: number, position: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = tag;
  writePosition(key, 1, position);
  return key;
}

function prefixRange(prefix: Uint8Array): KeyRange {
  // Tags and UTF-8 bytes are never 0xff, so the last byte can be incremented.
  const lt = prefix.slice();
  lt[lt.length - 1]++;
  return { gte: prefix, lt };
}

/** Returns the first key after `key`. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

function writePosition(target: Uint8Array, at: number, position: number): void {
  const view = new DataView(target.buffer, target.byteOffset + at, 8);
  view.setUint32(0, Math.floor(position / 0x1_0000_0000));
  view.setUint32(4, position >>> 0);
}
