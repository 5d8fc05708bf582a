/** CursorService: offsets by name, committed by compare and set, on one instance and on two that share a storage. */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { endInstances, failureOf, type Instance, makeInstance } from "./instance.ts";

const name = "billing";

let storeId: string;
let instances: Instance[];

beforeEach(() => {
  storeId = randomUUID();
  instances = [];
});

afterEach(() => endInstances(instances));

function start(count: number): Instance[] {
  const storage = memoryStorage({ shared: count > 1 });
  instances = Array.from({ length: count }, () => makeInstance(storage));
  return instances;
}

describe.each([
  ["one instance", 1],
  ["two instances", 2],
])("a cursor on %s", (_, count) => {
  it("keeps the offsets of other spaces, and counts its commits", async () => {
    const [a, b = a] = start(count);
    expect(await failureOf(b.cursors.getCursor({ storeId, name }))).toMatchObject({ reason: ErrorReason.NOT_FOUND });
    await a.cursors.commitCursor({ storeId, name, offsets: { orders: 5n, bills: 7n } });
    const { cursor } = await b.cursors.commitCursor({ storeId, name, offsets: { orders: 9n } });
    expect(cursor).toMatchObject({ name, offsets: { orders: 9n, bills: 7n }, version: 2n });
    expect((await a.cursors.getCursor({ storeId, name })).cursor).toEqual(cursor);
    await b.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
    expect((await a.cursors.getCursor({ storeId, name })).cursor?.offsets).toEqual({ orders: 1n, bills: 7n });
  });

  it("can be committed on condition of its version, and refuses other versions", async () => {
    const [a, b = a] = start(count);
    const commit = (at: Instance, offset: bigint, expectedVersion: bigint) =>
      at.cursors.commitCursor({ storeId, name, offsets: { orders: offset }, expectedVersion });
    const conflict = { reason: ErrorReason.CURSOR_CONFLICT, retryable: false };
    expect(await failureOf(commit(a, 1n, 1n))).toMatchObject(conflict);
    await commit(a, 1n, 0n);
    expect(await failureOf(commit(b, 2n, 0n))).toMatchObject(conflict);
    await commit(b, 2n, 1n);
    expect(await failureOf(commit(a, 3n, 1n))).toMatchObject(conflict);
    expect((await a.cursors.getCursor({ storeId, name })).cursor).toMatchObject({
      offsets: { orders: 2n },
      version: 2n,
    });
  });

  it("that is deleted does not exist, and no old version holds after its return", async () => {
    const [a, b = a] = start(count);
    await a.cursors.commitCursor({ storeId, name, offsets: { orders: 5n, bills: 7n } });
    await b.cursors.deleteCursor({ storeId, name });
    await a.cursors.deleteCursor({ storeId, name });
    expect(await failureOf(a.cursors.getCursor({ storeId, name }))).toMatchObject({ reason: ErrorReason.NOT_FOUND });
    expect((await a.cursors.listCursors({ storeId })).cursors).toEqual([]);
    const stale = a.cursors.commitCursor({ storeId, name, offsets: { orders: 6n }, expectedVersion: 1n });
    expect(await failureOf(stale)).toMatchObject({ reason: ErrorReason.CURSOR_CONFLICT });
    const { cursor } = await b.cursors.commitCursor({ storeId, name, offsets: { orders: 1n }, expectedVersion: 0n });
    expect(cursor).toMatchObject({ offsets: { orders: 1n } });
    expect(cursor?.version).toBeGreaterThan(1n);
  });

  it("loses none of many concurrent commits", async () => {
    const members = start(count);
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        members[index % count].cursors.commitCursor({ storeId, name, offsets: { [`space-${index}`]: BigInt(index) } }),
      ),
    );
    const { cursor } = await members[0].cursors.getCursor({ storeId, name });
    expect(cursor?.version).toBe(40n);
    expect(cursor?.offsets).toEqual(
      Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`space-${index}`, BigInt(index)])),
    );
  });

  it("is listed by prefix and page", async () => {
    const [a, b = a] = start(count);
    for (const each of ["b2", "a1", "b1"]) {
      await a.cursors.commitCursor({ storeId, name: each, offsets: { orders: 1n } });
    }
    const first = await b.cursors.listCursors({ storeId, prefix: "b", pageSize: 1 });
    expect(first.cursors.map((cursor) => cursor.name)).toEqual(["b1"]);
    const next = await b.cursors.listCursors({ storeId, prefix: "b", pageSize: 1, pageToken: first.nextPageToken });
    expect(next).toMatchObject({ cursors: [{ name: "b2", offsets: { orders: 1n } }], nextPageToken: "" });
  });
});

it("invalid requests are refused, and create nothing", async () => {
  const [a] = start(1);
  const spaces = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`s${at}`, 1n]));
  const bad: [string, Promise<unknown>][] = [
    ["name", a.cursors.commitCursor({ storeId, offsets: { s: 1n } })],
    ["offsets", a.cursors.commitCursor({ storeId, name })],
    ["offsets", a.cursors.commitCursor({ storeId, name, offsets: spaces(65) })],
    ["offsets", a.cursors.commitCursor({ storeId, name, offsets: { "a\n": 1n } })],
    ["name", a.cursors.getCursor({ storeId, name: "x".repeat(256) })],
  ];
  for (const [field, call] of bad) {
    expect(await failureOf(call)).toMatchObject({ reason: ErrorReason.INVALID_FIELD, fieldViolations: [{ field }] });
  }
  await a.cursors.deleteCursor({ storeId, name });
  expect((await a.stores.listStores({})).stores).toEqual([]);
  // A maximal number of spaces, also reached in several commits.
  for (let at = 0; at < 16; at++) {
    const offsets = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`s${at * 64 + index}`, 1n]));
    await a.cursors.commitCursor({ storeId, name, offsets });
  }
  const over = a.cursors.commitCursor({ storeId, name, offsets: { more: 1n } });
  expect(await failureOf(over)).toMatchObject({ reason: ErrorReason.INVALID_FIELD });
});
