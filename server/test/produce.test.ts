/**
 * Produce sessions over several spaces: after a refusal in one space, later requests for other spaces are not applied
 * (PRO-004).
 */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { memoryStorage } from "../src/index.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { failureOf, makeInstance } from "./instance.ts";

/** A storage whose commits to a space wait until `open`. `waiting` resolves when the first commit waits. */
function gated(space: string) {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const { promise: waiting, resolve: wait } = Promise.withResolvers<void>();
  const storage = changedStorage(memoryStorage(), (store) => ({
    async commit(partition, batch) {
      if (partition === `s:${space}`) {
        wait();
        await opened;
      }
      return store.commit(partition, batch);
    },
  }));
  return { storage, open, waiting };
}

it("a request for another space waits for the outcome of earlier requests", async () => {
  const { storage, open, waiting } = gated("a");
  await using instance = makeInstance(storage);
  const storeId = randomUUID();
  const request = (space: string, expectedLastSequence?: bigint) => ({
    storeId,
    space,
    appends: [{ segment: "s", records: [{}], expectedLastSequence }],
  });
  const results = instance.stream.produce(
    (async function* () {
      yield request("a");
      yield request("a", 7n);
      yield request("b");
    })(),
  );
  const session = (async () => {
    const ranges: bigint[] = [];
    for await (const { ranges: found } of results) ranges.push(...found.map(({ lastSequence }) => lastSequence));
    return ranges;
  })();
  await waiting;
  open();
  expect(await failureOf(session)).toMatchObject({ reason: ErrorReason.SEQUENCE_MISMATCH });
  expect((await instance.stream.getSpaceStatus({ storeId, space: "b" })).status?.lastOffset).toBe(0n);
});

it("a request for another space is not applied after an immediate refusal", async () => {
  const { storage, open, waiting } = gated("a");
  await using instance = makeInstance(storage);
  const storeId = randomUUID();
  const { promise: full, resolve: fill } = Promise.withResolvers<void>();
  const request = (space: string) => ({ storeId, space, appends: [{ segment: "s", records: [{}] }] });
  const results = instance.stream.produce(
    (async function* () {
      yield request("a");
      await full;
      yield request("a");
      yield request("b");
    })(),
  );
  const answered: bigint[] = [];
  const session = (async () => {
    for await (const { ranges } of results) answered.push(ranges[0].lastSequence);
  })();
  await waiting;
  // Other calls fill the queue of the space.
  const records = [{ payload: new Uint8Array(1_000_000) }];
  const others = Array.from({ length: 70 }, (_, index) =>
    failureOf(instance.stream.append({ storeId, space: "a", appends: [{ segment: `o${index}`, records }] })),
  );
  expect(await others.at(-1)).toMatchObject({ reason: ErrorReason.OVERLOADED });
  fill();
  // The session has read all requests by now.
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  open();
  expect(await failureOf(session)).toMatchObject({ reason: ErrorReason.OVERLOADED });
  expect(answered).toEqual([1n]);
  await Promise.all(others);
  expect((await instance.stream.getSpaceStatus({ storeId, space: "b" })).status?.lastOffset).toBe(0n);
});
