/**
 * The key space of leases, cursors and workers. They are in partitions of their own, beside those of spaces. A commit
 * changes one of their rows; only the rows of workers change together.
 *
 * | partition    | key                      | value           | one row                                             |
 * |--------------|--------------------------|-----------------|-----------------------------------------------------|
 * | `leases`     | `l` key                  | LeaseRecord     | per key ever leased                                 |
 * | `leases`     | `t`                      | TokenCeiling    | per store whose leases have handed out many tokens  |
 * | `cursors`    | `c` name                 | CursorRecord    | per cursor ever committed                           |
 * | `w:` group   | `h`                      | WorkerGroupHead | per group that ever had workers                     |
 * | `w:` group   | `i` instance, 16 bytes   | WorkerHost      | per instance with workers of the group              |
 * | `w:` group   | `r` worker id            | WorkerRenewal   | per worker that is renewed through another instance |
 * | `w:` group   | `w` worker id            | WorkerRecord    | per worker                                          |
 *
 * `h` and `i` are adjacent, so one range read shows whether a group has changed, and which instances live.
 */
import type { KeyRange } from "../../storage/port.ts";
import { namedKey, namedRange, nameOfKey } from "../rows/key-space.ts";

const TAG = { lease: 0x6c, cursor: 0x63, groupHead: 0x68, host: 0x69, renewal: 0x72, worker: 0x77, tokenCeiling: 0x74 };

export const LEASES = "leases";
export const CURSORS = "cursors";

/** A kind of row with one name in its key. */
export interface NamedKeys {
  /** Key of the row of a name. */
  key(name: string): Uint8Array;
  /** The name in a key. */
  name(key: Uint8Array): string;
  /** Range of the rows whose names start with `prefix` and, in byte order, come after `after`. */
  range(prefix?: string, after?: string): KeyRange;
}

function named(tag: number): NamedKeys {
  return {
    key: (name) => namedKey(tag, name),
    name: nameOfKey,
    range: (prefix = "", after = "") => namedRange(tag, prefix, after),
  };
}

export const leaseKeys = named(TAG.lease);
export const cursorKeys = named(TAG.cursor);
export const renewalKeys = named(TAG.renewal);
export const workerKeys = named(TAG.worker);

/** Key of the TokenCeiling. */
export const TOKEN_CEILING_KEY: Uint8Array = Uint8Array.of(TAG.tokenCeiling);

/** The partition of a group of workers. */
export function groupPartition(group: string): string {
  return `w:${group}`;
}

/** Key of the WorkerGroupHead. */
export const GROUP_HEAD_KEY: Uint8Array = Uint8Array.of(TAG.groupHead);

/** Key of the WorkerHost of an instance, whose id has 16 bytes. */
export function hostKey(instance: Uint8Array): Uint8Array {
  return Uint8Array.of(TAG.host, ...instance);
}

/** The instance whose WorkerHost has this key. */
export function instanceOfHostKey(key: Uint8Array): Uint8Array {
  return key.subarray(1);
}

/** Range of the WorkerGroupHead and all WorkerHosts of a group. */
export const HEAD_AND_HOSTS_RANGE: KeyRange = { gte: GROUP_HEAD_KEY, lt: Uint8Array.of(TAG.host + 1) };
