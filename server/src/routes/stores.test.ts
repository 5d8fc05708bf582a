import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeInstance } from "../../test/instance.ts";
import { ServerError } from "../errors.ts";
import { memoryStorage } from "../storage/memory/index.ts";
import { Stores } from "./stores.ts";

const space = "orders";
const key = Buffer.from("key");
const storeId = randomUUID();

let instance: ReturnType<typeof makeInstance>;
let stores: Stores;

beforeEach(async () => {
  instance = makeInstance(memoryStorage());
  stores = new Stores({
    openStores: instance.openStores,
    shared: false,
    events: instance.events,
    health: instance.health,
  });
  await instance.stream.append({ storeId, space, appends: [{ segment: "s", records: [{ payload: key }] }] });
});

afterEach(async () => {
  await instance[Symbol.asyncDispose]();
  expect(instance.failures).toEqual([]);
});

it("a stream whose read meets the store deleted ends with NOT_FOUND", async () => {
  const stream = stores.stream(storeId, new AbortController().signal, async function* (store) {
    yield "first";
    yield await store.store.get(space, key);
  });
  expect(await stream.next()).toMatchObject({ value: "first" });
  await instance.openStores.delete(storeId);
  await expect(stream.next()).rejects.toMatchObject({
    reason: ErrorReason.NOT_FOUND,
    message: "the store was deleted",
  });
});

it("a call whose read meets the store deleted finds it empty", async () => {
  let calls = 0;
  const found = stores.call(storeId, async (store) => {
    if (++calls === 1) await instance.openStores.delete(storeId);
    return await store.store.get(space, key);
  });
  expect(await found).toBeUndefined();
  expect(calls).toBe(2);
});

it("a call whose read meets the server shut down says so", async () => {
  const call = stores.call(storeId, async (store) => {
    await instance.openStores.close();
    return await store.store.get(space, key);
  });
  await expect(call).rejects.toMatchObject({ reason: ErrorReason.SHUTTING_DOWN });
});

it("a failure of a storage that was not closed stays what it is", async () => {
  const failure = new ServerError(ErrorReason.STORAGE_UNAVAILABLE, "the database failed");
  const call = stores.call(storeId, async () => {
    throw failure;
  });
  await expect(call).rejects.toBe(failure);
});
