/** Exports of stores in use, and imports into stores that have something already. */
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { copySpace } from "../src/engine/copy/read-copy.ts";
import { DeleteSegmentMutation, DeleteSpaceMutation, TrimMutation } from "../src/engine/removal/trim.ts";
import { markedId } from "../src/engine/rows/transaction-id.ts";
import { exportStore } from "../src/export/export-store.ts";
import { verifyExport } from "../src/export/verify-export.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { exported, imported, pieces, write } from "./export-files.ts";
import { endInstances, failureOf, type Instance, makeInstance } from "./instance.ts";

const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const space = "orders";
const instances: Instance[] = [];

afterEach(() => endInstances(instances.splice(0)));

function instance(storage: Storage = memoryStorage()): Instance {
  const made = makeInstance(storage);
  instances.push(made);
  return made;
}

/** All entries of the space, one text each, and its statuses. */
async function contentOf({ stream }: Instance, of = space): Promise<object> {
  const entries: string[] = [];
  for await (const { batches } of stream.consumeSpace({ storeId, space: of })) {
    for (const { segment, firstSequence, firstOffset, commitTime, transaction, records } of batches) {
      records.forEach(({ payload, metadata }, index) => {
        const position = [segment, Number(firstSequence) + index, Number(firstOffset) + index];
        const id = [`${commitTime?.seconds}.${commitTime?.nanos}`, transaction?.id, transaction?.number];
        entries.push([...position, ...id, Buffer.from(payload), JSON.stringify(metadata)].join(" "));
      });
    }
  }
  const { status } = await stream.getSpaceStatus({ storeId, space: of });
  const { segments } = await stream.listSegments({ storeId, space: of });
  return { entries, status, segments };
}

async function trim(at: Instance, segment: string, before: number): Promise<void> {
  await at.withStore(storeId, (store) => {
    const log = store.space(space);
    return store.write(() => log.submit(new TrimMutation(log, segment, before)));
  });
}

describe("an export", () => {
  it("is the space as of its begin, while appends go on", async () => {
    const source = instance();
    for (let i = 0; i < 20; i++) await write(source, storeId, space, ["a", "b"]);
    const before = await contentOf(source);
    const chunks: Uint8Array[] = [];
    await source.withStore(storeId, async (store) => {
      for await (const chunk of exportStore(store, { space }, new AbortController().signal)) {
        chunks.push(chunk);
        await write(source, storeId, space, ["b", "c"]);
      }
    });
    const target = instance();
    await imported(target, storeId, Buffer.concat(chunks));
    // The first writes came before the space was looked at; all later ones are not in the copy.
    const copy = (await contentOf(target)) as { entries: string[] };
    const all = (await contentOf(source)) as { entries: string[] };
    expect(copy.entries.length).toBeGreaterThanOrEqual((before as { entries: string[] }).entries.length);
    expect(copy.entries).toEqual(all.entries.slice(0, copy.entries.length));
    expect(copy.entries.length).toBeLessThan(all.entries.length);
  });

  it.each(["trim", "trim all", "delete a segment", "delete the space"] as const)(
    "leaves out entries that are removed while it runs: %s",
    async (removal) => {
      const source = instance();
      // More than one page, so that the removal falls between two.
      const payload = "x".repeat(200_000);
      for (let i = 0; i < 12; i++) await write(source, storeId, space, ["a", "b"], { payload });
      const chunks: Uint8Array[] = [];
      let removed = false;
      await source.withStore(storeId, async (store) => {
        const log = store.space(space);
        const options = { compression: "none" as const };
        for await (const chunk of exportStore(store, options, new AbortController().signal)) {
          chunks.push(chunk);
          // The first chunk with entries.
          if (removed || chunk.length < 100_000) continue;
          removed = true;
          if (removal === "trim") await log.submit(new TrimMutation(log, "a", 11));
          if (removal === "trim all") await log.submit(new TrimMutation(log, "a", 13));
          if (removal === "delete a segment") await log.submit(new DeleteSegmentMutation("a"));
          if (removal === "delete the space") await log.submit(new DeleteSpaceMutation());
          store.reclaim(log);
          await store.settled();
        }
      });
      expect(removed).toBe(true);
      const file = Buffer.concat(chunks);
      await verifyExport(pieces(file));
      const target = instance();
      await imported(target, storeId, file);
      await target.settle(storeId);
      const { entries, segments } = (await contentOf(source)) as { entries: string[]; segments: object[] };
      expect(await contentOf(target)).toMatchObject({ entries, segments });
    },
  );

  it("of a store, space or segment that does not exist is refused", async () => {
    const source = instance();
    await expect(exported(source, storeId)).rejects.toMatchObject({ reason: ErrorReason.NOT_FOUND });
    await write(source, storeId, space, ["a"]);
    await expect(exported(source, storeId, { space: "none" })).rejects.toMatchObject({ reason: ErrorReason.NOT_FOUND });
    const options = { space, segment: "none" };
    await expect(exported(source, storeId, options)).rejects.toMatchObject({ reason: ErrorReason.NOT_FOUND });
  });

  it("of one segment keeps its positions; other offsets read as trimmed", async () => {
    const source = instance();
    for (let i = 0; i < 3; i++) await write(source, storeId, space, ["a", "b"]);
    const target = instance();
    await imported(target, storeId, await exported(source, storeId, { space, segment: "b" }));
    const { entries } = (await contentOf(source)) as { entries: string[] };
    const copy = (await contentOf(target)) as { entries: string[]; status: { lastOffset: bigint } };
    expect(copy.entries).toEqual(entries.filter((entry) => entry.startsWith("b ")));
    expect(copy.status.lastOffset).toBe(6n);
    // The file of another segment does not fit into the same space.
    const other = await exported(source, storeId, { space, segment: "a" });
    await expect(imported(target, storeId, other)).rejects.toThrow(
      'has no entry at offset 1, which the file has in segment "a"',
    );
  });

  it("ends with the reason of its signal", async () => {
    const source = instance();
    await write(source, storeId, space, ["a"]);
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    await source.withStore(storeId, async (store) => {
      await expect(exportStore(store, {}, controller.signal).next()).rejects.toThrow("enough");
      const parts = copySpace(store.space(space), {}, controller.signal);
      await expect(async () => {
        for await (const _ of parts);
      }).rejects.toThrow("enough");
    });
  });
});

describe("an import", () => {
  it("recognises retries of transactions from before the export (G7), also of those whose entries are gone", async () => {
    const source = instance();
    const ids = [await write(source, storeId, space, ["a", "b"]), await write(source, storeId, space, ["a"])];
    await trim(source, "a", 3);
    const target = instance();
    await imported(target, storeId, await exported(source, storeId));
    for (const [index, transactionId] of ids.entries()) {
      const appends = ["a", "b"].slice(0, 2 - index).map((segment) => ({ segment, records: [{}] }));
      const request = { storeId, space, transactionId, appends };
      const [first, again] = [await source.stream.append(request), await target.stream.append(request)];
      expect(again).toMatchObject({ deduplicated: true, ranges: first.ranges, transaction: first.transaction });
    }
  });

  it("keeps the marks of writers and the owners of cursors", async () => {
    const source = instance();
    const uuid = crypto.randomUUID();
    for (const subject of ["alice", "bob"]) await write(source, storeId, space, ["a"], { id: markedId(uuid, subject) });
    await source.withStore(storeId, (store) => store.cursors.commit("mailer", { [space]: 1n }, undefined, "alice"));
    const target = instance();
    const file = await exported(source, storeId, { cursors: true });
    await imported(target, storeId, file, { cursors: true });
    expect(await contentOf(target)).toEqual(await contentOf(source));
    // Retries of both find their own transactions.
    for (const subject of ["alice", "bob"]) await write(target, storeId, space, ["a"], { id: markedId(uuid, subject) });
    expect(await contentOf(target)).toEqual(await contentOf(source));
    await target.withStore(storeId, async (store) => {
      expect(await store.cursors.get("mailer")).toMatchObject({ owner: "alice" });
    });
  });

  it("into a store with other entries is refused, and changes nothing", async () => {
    const source = instance();
    for (let i = 0; i < 5; i++) await write(source, storeId, space, ["a", "b"]);
    await trim(source, "a", 4);
    const full = await exported(source, storeId);
    const target = instance();
    for (let i = 0; i < 2; i++) await write(target, storeId, space, ["a"], { payload: "mine" });
    const before = await contentOf(target);
    await expect(imported(target, storeId, full)).rejects.toThrow(/another entry at offset 2 .*chunk 3 of the file/);
    expect(await contentOf(target)).toEqual(before);
    // The file may have no entry at all that the store could be compared with.
    await trim(source, "a", 6);
    await trim(source, "b", 6);
    await source.settle(storeId);
    await expect(imported(target, storeId, await exported(source, storeId))).rejects.toThrow(
      "nothing in the file shows",
    );
    expect(await contentOf(target)).toEqual(before);
  });

  it("into a longer copy of the same history writes nothing", async () => {
    const source = instance();
    for (let i = 0; i < 3; i++) await write(source, storeId, space, ["a"]);
    const file = await exported(source, storeId);
    await write(source, storeId, space, ["a"]);
    const before = await contentOf(source);
    expect(await imported(source, storeId, file)).toMatchObject({ written: 0 });
    expect(await contentOf(source)).toEqual(before);
  });

  it("is refused if an earlier file is missing", async () => {
    const source = instance();
    await write(source, storeId, space, ["a"]);
    const since = await verifyExport(pieces(await exported(source, storeId)));
    await write(source, storeId, space, ["a"]);
    const next = await exported(source, storeId, { since });
    await expect(imported(instance(), storeId, next)).rejects.toThrow("import the earlier files first");
    // The next export continues this store, this scope and this history.
    await expect(exported(source, storeId, { since, space })).rejects.toThrow("the previous export is of store");
    const other = instance();
    await write(other, storeId, space, ["a"]);
    await expect(exported(other, storeId, { since })).rejects.toThrow("another transaction at offset 1");
  });

  it("sets cursors only if both sides ask for them, and never back", async () => {
    const source = instance();
    await write(source, storeId, space, ["a"]);
    await source.cursors.commitCursor({ storeId, name: "mailer", offsets: { [space]: 1n } });
    const [plain, full] = [await exported(source, storeId), await exported(source, storeId, { cursors: true })];
    const target = instance();
    for (const file of [plain, full]) expect(await imported(target, storeId, file)).toMatchObject({ cursors: 0 });
    expect(await imported(target, storeId, plain, { cursors: true })).toMatchObject({ cursors: 0 });
    const missing = await failureOf(target.cursors.getCursor({ storeId, name: "mailer" }));
    expect(missing?.reason).toBe(ErrorReason.NOT_FOUND);
    expect(await imported(target, storeId, full, { cursors: true })).toMatchObject({ cursors: 1 });
    expect(await target.cursors.getCursor({ storeId, name: "mailer" })).toEqual(
      await source.cursors.getCursor({ storeId, name: "mailer" }),
    );
    await target.cursors.commitCursor({ storeId, name: "mailer", offsets: { [space]: 9n } });
    expect(await imported(target, storeId, full, { cursors: true })).toMatchObject({ cursors: 0 });
  });

  it("is seen by followers and caches of another instance on the same storage", async () => {
    const source = instance();
    for (let i = 0; i < 4; i++) await write(source, storeId, space, ["a", "b"]);
    await trim(source, "b", 3);
    const storage = memoryStorage({ shared: true });
    const [writer, reader] = [instance(storage), instance(storage)];
    const followed: string[] = [];
    const ended = (async () => {
      for await (const { batches } of reader.stream.consumeSpace({ storeId, space, follow: true })) {
        for (const { segment, firstSequence } of batches) followed.push(`${segment} ${firstSequence}`);
        if (followed.at(-1) === "a 5") return;
      }
    })();
    await imported(writer, storeId, await exported(source, storeId));
    await write(reader, storeId, space, ["a"]);
    await ended;
    expect(followed).toEqual(["a 1", "a 2", "a 3", "b 3", "a 4", "b 4", "a 5"]);
    expect(await contentOf(reader)).toEqual(await contentOf(writer));
  });
});
