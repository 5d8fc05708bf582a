import { LIMITS } from "@streamkit/protocol";
import { encodedWorker } from "./encoded-worker.ts";
import type { StoredWorker } from "./group-view.ts";
import type { Member } from "./member.ts";

type Stored = ReadonlyMap<string, StoredWorker>;
type Members = ReadonlyMap<string, Member>;

/** Workers and bytes of a group. */
interface Size {
  count: number;
  bytes: number;
}

/** The limit that a group would exceed with one more member, in words; undefined if it has room. */
export function limitExceededBy(stored: Stored, members: Members, joining: Member): string | undefined {
  const size = sizeOf(stored, (id) => id === joining.id);
  for (const member of members.values()) {
    if (member.id !== joining.id && !stored.has(member.id)) add(size, member);
  }
  add(size, joining);
  return exceeded(size);
}

/** Members that are not stored yet and exceed the limits of the group, each with the limit in words. */
export function findExcess(stored: Stored, members: Members): [Member, string][] {
  const waiting = [...members.values()].filter((member) => !member.owns(stored.get(member.id)));
  if (waiting.length === 0) return [];
  const taken = new Set(waiting.map(({ id }) => id));
  const size = sizeOf(stored, (id) => taken.has(id));
  const excess: [Member, string][] = [];
  for (const member of waiting) {
    const before = { ...size };
    add(size, member);
    const full = exceeded(size);
    if (full === undefined) continue;
    Object.assign(size, before);
    excess.push([member, full]);
  }
  return excess;
}

/** The size of the stored workers, without those that members replace. */
function sizeOf(stored: Stored, isReplaced: (id: string) => boolean): Size {
  const size = { count: 0, bytes: 0 };
  for (const { record } of stored.values()) if (!isReplaced(record.worker.id)) add(size, { record });
  return size;
}

function add(size: Size, { record }: Pick<StoredWorker, "record">): void {
  size.count += 1;
  size.bytes += encodedWorker(record.worker).bytes;
}

function exceeded({ count, bytes }: Size): string | undefined {
  if (count > LIMITS.maxGroupWorkers) return `${LIMITS.maxGroupWorkers} workers`;
  if (bytes > LIMITS.maxGroupBytes) return `${LIMITS.maxGroupBytes} bytes of workers with their labels`;
  return undefined;
}
