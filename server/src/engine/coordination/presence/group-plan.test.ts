/** Plans that lead from the stored state of a group to its goal, commit after commit. */
import { randomBytes, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { memoryStorage } from "../../../storage/memory/index.ts";
import { groupPartition, renewalKeys } from "../key-space.ts";
import { planGroup } from "./group-plan.ts";
import { GroupView, hex } from "./group-view.ts";
import { Member } from "./member.ts";
import { encodeRenewal, makeRecord } from "./worker-rows.ts";

const partition = groupPartition("pickers");
const now = 1;
/** Limit of a commit on Azure. */
const maxOperations = 90;

function membersAt(host: Uint8Array, ids: readonly string[]): Map<string, Member> {
  const member = (id: string) => {
    const registrant = { id, metadata: {}, intervalMillis: 1_000 };
    return new Member(registrant, makeRecord(registrant, host, now));
  };
  return new Map(ids.map((id) => [id, member(id)]));
}

const ids = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

it.each([
  { lost: 3, moved: 3, added: 3 },
  { lost: 0, moved: 30, added: 0 },
  { lost: 40, moved: 40, added: 40 },
])("takes over from a dead host, and never leaves a worker without a host: $lost $moved $added", async (counts) => {
  const store = (await memoryStorage({ shared: true }).open(randomUUID(), { create: true }))!;
  const view = new GroupView(store, partition);
  const [host, gone] = [randomBytes(16), randomBytes(16)];
  const reach = async (at: Uint8Array, members: Map<string, Member>, isGone: boolean) => {
    for (;;) {
      const overdue = isGone ? view.hosts.get(hex(gone)) : undefined;
      const plan = planGroup(view, { host: at, members, overdue, renewed: new Set(), now });
      if (plan === undefined) return;
      const { puts, deletes } = plan.batch;
      const keys = [...puts.map(({ key }) => key), ...deletes].map((key) => Buffer.from(key).toString("latin1"));
      expect(new Set(keys).size).toBe(keys.length);
      expect(keys.length).toBeLessThanOrEqual(maxOperations);
      const result = await store.commit(partition, plan.batch);
      if (!result.committed) throw new Error("the commit conflicts, although nothing else writes");
      plan.apply(result.versions);
      const stored = new GroupView(store, partition);
      await stored.refresh();
      expect(stored.hosts).toEqual(view.hosts);
      expect(new Set(stored.workers.keys())).toEqual(new Set(view.workers.keys()));
      for (const { record } of stored.workers.values()) expect([...stored.hosts.keys()]).toContain(hex(record.host));
    }
  };
  const [moved, lost] = [ids(counts.moved, "moved"), ids(counts.lost, "lost")];
  await reach(gone, membersAt(gone, [...moved, ...lost]), false);
  const puts = lost.map((id) => ({ key: renewalKeys.key(id), value: encodeRenewal(1n) }));
  await store.commit(partition, { conditions: [], puts, deletes: [] });
  const members = membersAt(host, [...moved, ...ids(counts.added, "added")]);
  await reach(host, members, true);
  expect(new Set(view.workers.keys())).toEqual(new Set(members.keys()));
  for (const member of members.values()) expect(member.owns(view.workers.get(member.id))).toBe(true);
  expect([...view.hosts.keys()]).toEqual([hex(host)]);
  for await (const renewals of store.scan(partition, renewalKeys.range())) expect(renewals).toEqual([]);
});
