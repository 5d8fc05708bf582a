/** The rows of remembered transactions: which of them a purge removes, and which stay (DED-006, DED-005). */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { purgeTransactions } from "../src/engine/removal/purge.ts";
import { TRANSACTION_RANGE } from "../src/engine/rows/key-space.ts";
import { memoryStorage } from "../src/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { type Instance, makeInstance } from "./instance.ts";

const WINDOW_MICROS = 1_000;
const space = "space";

let storage: Storage;
let now: number;
let storeId: string;
let instance: Instance;

/** A new instance on the same data, which has no transaction in memory. */
const start = () => makeInstance(storage, { clock: () => now, dedupeWindowMicros: WINDOW_MICROS });
const append = (transactionId: string) =>
  instance.stream.append({ storeId, space, transactionId, appends: [{ segment: "a", records: [{}] }] });
const rows = () =>
  instance.withStore(storeId, async (store) => {
    const log = store.space(space);
    await log.sync();
    let count = 0;
    for await (const page of log.store.scan(log.partition, TRANSACTION_RANGE)) count += page.length;
    return count;
  });
const purge = () =>
  instance.withStore(storeId, (store) => purgeTransactions(store.space(space), new AbortController().signal));

beforeEach(() => {
  storage = memoryStorage({ shared: true });
  now = 1_000_000;
  storeId = randomUUID();
  instance = start();
});
afterEach(() => instance[Symbol.asyncDispose]());

it("a purge removes the transactions before the window, and no transaction inside it", async () => {
  const [old, young] = [randomUUID(), randomUUID()];
  await append(old);
  now += WINDOW_MICROS + 10;
  await append(young);
  expect(await rows()).toBe(2);
  await purge();
  expect(await rows()).toBe(1);

  await instance[Symbol.asyncDispose]();
  instance = start();
  expect(await append(young)).toMatchObject({ deduplicated: true, ranges: [{ firstSequence: 2n }] });
  expect(await append(old)).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 3n }] });
});

it("the window reaches back exactly its length from the latest commit", async () => {
  const ids = Array.from({ length: 3 }, () => randomUUID());
  for (const id of ids) {
    await append(id);
    now += WINDOW_MICROS;
  }
  // The commits are one length apart: the one in the middle is on the edge, and stays.
  await purge();
  expect(await rows()).toBe(2);
  await instance[Symbol.asyncDispose]();
  instance = start();
  expect(await append(ids[1])).toMatchObject({ deduplicated: true });
});

it("more transactions than one commit removes are removed at once", async () => {
  for (let i = 0; i < 250; i++) await append(randomUUID());
  now += 2 * WINDOW_MICROS;
  await append(randomUUID());
  await purge();
  expect(await rows()).toBe(1);
});
