import type { CommitBatch, Condition, Put, RowVersion } from "../../../storage/port.ts";
import { GROUP_HEAD_KEY, hostKey, renewalKeys, workerKeys } from "../key-space.ts";
import { type GroupView, hex, type StoredHost } from "./group-view.ts";
import type { Member } from "./member.ts";
import { encodeGroupHead, encodeHost, encodeWorker } from "./worker-rows.ts";

/** Most workers that one commit registers or removes, with their renewals. Head and hosts fit in beside them. */
const WORKERS_PER_COMMIT = 25;

/** The desired state of a group. */
export interface GroupGoal {
  /** This instance. */
  readonly host: Uint8Array;
  /** The workers of this instance, by id. */
  readonly members: ReadonlyMap<string, Member>;
  /** A dead host, if there is one. */
  readonly overdue: StoredHost | undefined;
  /** Ids of workers that have a row of renewals, as far as this instance knows. */
  readonly renewed: { has(id: string): boolean };
  /** Microseconds since 1970. */
  readonly now: number;
}

export interface GroupPlan {
  readonly batch: CommitBatch;
  /** Updates the view to the state after the commit. */
  apply(versions: readonly RowVersion[]): void;
}

/**
 * The next step from the stored state to the desired one: registers members, removes rows of this instance without a
 * member, and removes the workers of a dead host. Undefined if nothing is left to do.
 */
export function planGroup(view: GroupView, { host, members, overdue, renewed, now }: GroupGoal): GroupPlan | undefined {
  const own = hex(host);
  const waiting = [...members.values()].filter((m) => !m.owns(view.workers.get(m.id)));
  const joins = waiting.slice(0, WORKERS_PER_COMMIT);
  const ghosts = [...view.workers.values()].filter(({ record }) => {
    // The row of a member is replaced, not removed.
    if (members.has(record.worker.id)) return false;
    const at = hex(record.host);
    return at === own || (overdue !== undefined && at === hex(overdue.instance));
  });
  const removed = ghosts.slice(0, WORKERS_PER_COMMIT - joins.length);
  // A host is removed together with the last of its workers, so that no worker is ever without a host.
  const last = removed.length === ghosts.length && joins.length === waiting.length;
  const ownHost = view.hosts.get(own);
  const goneHosts = last
    ? [overdue, members.size === 0 ? ownHost : undefined].filter((each) => each !== undefined)
    : [];
  if (joins.length === 0 && removed.length === 0 && goneHosts.length === 0) return undefined;

  const intervalMillis = shortestInterval(members.values());
  // Other instances expect heartbeats at the stored interval. So it changes in the commit of the worker that determines
  // it.
  const writesHost = members.size > 0 && ownHost?.intervalMillis !== intervalMillis;
  const conditions: Condition[] = [{ key: GROUP_HEAD_KEY, version: view.headVersion, alwaysWritten: true }];
  // A host that has written its row in the meantime is alive, and fails the commit.
  for (const { instance, version } of goneHosts) conditions.push({ key: hostKey(instance), version });
  const puts: Put[] = [{ key: GROUP_HEAD_KEY, value: encodeGroupHead() }];
  for (const { id, record } of joins) puts.push({ key: workerKeys.key(id), value: encodeWorker(record) });
  if (writesHost) puts.push({ key: hostKey(host), value: encodeHost({ intervalMillis, beatTimeMicros: now }) });
  const deletes = removed.map(({ record }) => workerKeys.key(record.worker.id));
  for (const { record } of removed) {
    const { id } = record.worker;
    // On Azure, deleting a missing row costs many requests. For workers of other instances, the row may exist.
    if (renewed.has(id) || hex(record.host) !== own) deletes.push(renewalKeys.key(id));
  }
  for (const { instance } of goneHosts) deletes.push(hostKey(instance));
  return {
    batch: { conditions, puts, deletes },
    apply(versions) {
      view.headVersion = versions[0];
      for (const { record } of removed) view.workers.delete(record.worker.id);
      for (const { instance } of goneHosts) view.hosts.delete(hex(instance));
      joins.forEach((member, index) => {
        member.joined = true;
        view.workers.set(member.id, { record: member.record, version: versions[1 + index] });
      });
      if (writesHost) {
        const version = versions[versions.length - 1];
        view.hosts.set(own, { instance: host, intervalMillis, beatTimeMicros: now, version });
      }
    },
  };
}

/** The heartbeat interval of an instance, in milliseconds; Infinity without members. */
export function shortestInterval(members: Iterable<Member>): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { intervalMillis } of members) shortest = Math.min(shortest, intervalMillis);
  return shortest;
}
