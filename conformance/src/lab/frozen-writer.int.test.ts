/** Fault 17: a writer is frozen while its commit is in flight, other writers continue, and it wakes up. */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Calls, refusalOf } from "./calls.ts";
import { Cluster } from "./cluster.ts";
import { type HeldCommit, holdCommit } from "./held-commit.ts";

const space = "orders";

let cluster: Cluster | undefined;
let calls: Calls[];

beforeAll(async () => {
  cluster = await Cluster.start({ instances: 2, requestTimeoutMillis: 60_000 });
});

beforeEach(async () => {
  const storeId = randomUUID();
  calls = cluster!.members.map((member) => new Calls(member, storeId, space));
  // Both instances have the space in memory; a commit is based on that state.
  await calls[0].append({ s: "first" });
  await calls[1].append({ s: "second" });
  await calls[0].read();
});

afterEach(async () => {
  for (const each of calls) each[Symbol.dispose]();
  await cluster!.heal();
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Starts an append at the first instance, and freezes the instance while the commit is in flight. */
async function freezeInCommit<T>(append: () => Promise<T>): Promise<{ held: HeldCommit; result: Promise<T> }> {
  const { instance, proxy } = cluster!.members[0];
  const holding = holdCommit(proxy);
  const result = append();
  // A later expectation reads the result; until then it must not count as unhandled.
  result.catch(() => undefined);
  const held = await holding;
  instance.freeze();
  return { held, result };
}

const thaw = () => cluster!.members[0].instance.thaw();

for (const first of ["the commit arrives", "it wakes up"] as const) {
  /** The stale commit arrives and fails its condition. */
  const wakeUp = async ({ release }: HeldCommit): Promise<void> => {
    if (first === "it wakes up") thaw();
    expect(await release()).toContain("412");
    thaw();
  };

  it(`an append is repeated on the new state, when ${first} first`, async () => {
    const { held, result } = await freezeInCommit(() => calls[0].append({ s: "late" }));
    for (const text of ["third", "fourth"]) await calls[1].append({ s: text });
    await wakeUp(held);
    expect(await result).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 5n, firstOffset: 5n }] });
    const texts = ["first", "second", "third", "fourth", "late"];
    for (const each of calls) expect((await each.read()).map(({ text }) => text)).toEqual(texts);
  });

  it(`an append with an expectation is refused, when ${first} first`, async () => {
    const { held, result } = await freezeInCommit(() => calls[0].append({ s: "late" }, { expected: { s: 2 } }));
    await calls[1].append({ s: "third" }, { expected: { s: 2 } });
    await wakeUp(held);
    expect(await refusalOf(result)).toMatchObject({
      reason: ErrorReason.SEQUENCE_MISMATCH,
      expectedLastSequence: 2n,
      actualLastSequence: 3n,
    });
    for (const each of calls) expect((await each.read()).map(({ text }) => text)).toEqual(["first", "second", "third"]);
  });

  it(`an append that was repeated elsewhere meanwhile is applied once, when ${first} first`, async () => {
    const transactionId = randomUUID();
    const { held, result } = await freezeInCommit(() => calls[0].append({ s: "third" }, { transactionId }));
    const again = await calls[1].append({ s: "third" }, { transactionId });
    expect(again).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 3n }] });
    await wakeUp(held);
    expect(await result).toMatchObject({ deduplicated: true, ranges: again.ranges, commitTime: again.commitTime });
    for (const each of calls) expect((await each.read()).map(({ text }) => text)).toEqual(["first", "second", "third"]);
  });
}

it("a commit that arrives while its writer is frozen counts at every instance", async () => {
  const { held, result } = await freezeInCommit(() => calls[0].append({ s: "third" }));
  expect(await held.release()).not.toContain("412");
  expect((await calls[1].read()).map(({ text }) => text)).toEqual(["first", "second", "third"]);
  expect(await calls[1].append({ s: "fourth" })).toMatchObject({ ranges: [{ firstSequence: 4n }] });
  thaw();
  expect(await result).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 3n, firstOffset: 3n }] });
  expect((await calls[0].read()).map(({ text }) => text)).toEqual(["first", "second", "third", "fourth"]);
});
