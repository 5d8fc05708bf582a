/** Faults 15 and 16 with real processes: concurrent writers, and a writer that is held up in the middle of a commit. */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { azureStorage } from "@streamkit/server/azure";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { connectionStringTo } from "../../../server/src/storage/azure/test/azurite.ts";
import { Calls, refusalOf } from "./calls.ts";
import { Cluster } from "./cluster.ts";
import { holdCommit } from "./held-commit.ts";

const space = "orders";

let cluster: Cluster | undefined;
let calls: Calls[];
let storeId: string;

beforeAll(async () => {
  // Longer than any test, so that a held request does not time out.
  cluster = await Cluster.start({ instances: 3, requestTimeoutMillis: 60_000 });
});

beforeEach(() => {
  storeId = randomUUID();
  calls = cluster!.members.map((member) => new Calls(member, storeId, space));
});

afterEach(async () => {
  for (const each of calls) each[Symbol.dispose]();
  await cluster!.heal();
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Keys of all rows of the space. */
async function storedKeys(): Promise<Buffer[]> {
  const storage = azureStorage({ connectionString: connectionStringTo(cluster!.members[0].proxy.port) });
  const store = (await storage.open(storeId, { create: false }))!;
  const keys: Buffer[] = [];
  for await (const rows of store.scan(`s:${space}`, { gte: Uint8Array.of(0), lt: Uint8Array.of(255) })) {
    keys.push(...rows.map(({ key }) => Buffer.from(key)));
  }
  await store.close();
  return keys;
}

it("lets one of three appends with the same expectation win; the others leave no rows behind (15)", {
  timeout: 120_000,
}, async () => {
  const rounds = 10;
  const losers: string[] = [];
  for (let sequence = 0; sequence < rounds; sequence++) {
    // Each append also writes a segment of its own, which tells its rows from those of the others.
    const own = [0, 1, 2].map((instance) => `own-${sequence}-${instance}`);
    const expected = { shared: sequence };
    const results = own.map((name, instance) => calls[instance].append({ shared: name, [name]: name }, { expected }));
    const refusals = await Promise.all(results.map(refusalOf));
    expect(refusals.filter((refusal) => refusal === undefined).length).toBe(1);
    for (const [index, refusal] of refusals.entries()) {
      if (refusal === undefined) continue;
      losers.push(own[index]);
      expect(refusal).toMatchObject({
        reason: ErrorReason.SEQUENCE_MISMATCH,
        segment: "shared",
        expectedLastSequence: BigInt(sequence),
        actualLastSequence: BigInt(sequence + 1),
      });
    }
  }
  const keys = await storedKeys();
  expect(losers.filter((name) => keys.some((key) => key.includes(name)))).toEqual([]);
  // The rows: one head; per round one block of the space, and a block and a head for each of two segments.
  expect(keys.length).toBe(1 + rounds * 3 + (1 + rounds));
  for (const each of calls) expect((await each.read("shared")).map(({ sequence }) => sequence)).toHaveLength(rounds);
});

it("continues while an instance is held up in a commit; all followers see the same entries (16)", {
  timeout: 120_000,
}, async () => {
  const perWriter = 15;
  await calls[0].append({ s0: "first" });
  const following = calls.map((each) => each.follow(2 + 2 * perWriter));
  const held = holdCommit(cluster!.members[0].proxy);
  const late = calls[0].append({ s0: "late" });
  const { release } = await held;
  const write = async (instance: number) => {
    for (let n = 0; n < perWriter; n++) await calls[instance].append({ [`s${instance}`]: `${instance}.${n}` });
  };
  await Promise.all([write(1), write(2)]);
  // The other appends have changed the state that the held commit is based on.
  expect(await release()).toContain("412");
  expect(await late).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 2n, firstOffset: 32n }] });
  const [first, ...others] = await Promise.all(following);
  expect(first!.map(({ offset }) => offset)).toEqual(Array.from({ length: 2 + 2 * perWriter }, (_, i) => i + 1));
  expect(first!.at(-1)!.text).toBe("late");
  for (const other of others) expect(other).toEqual(first);
});
