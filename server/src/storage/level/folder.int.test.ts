/** Folders and files that fail, vanish and come back while a storage uses them. */
import { randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StorageUnusableError } from "../../errors.ts";
import type { PartitionStore, Storage } from "../port.ts";
import { levelStorage } from "./index.ts";

const unavailable = expect.objectContaining({ reason: ErrorReason.STORAGE_UNAVAILABLE });

let root: string;
let path: string;
let storeId: string;
let storage: Storage;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "streamkit-folder-"));
  path = join(root, "data");
  storeId = randomUUID();
  storage = levelStorage({ path });
});

afterEach(() => rm(root, { recursive: true, force: true }));

const open = async (create = true): Promise<PartitionStore> => (await storage.open(storeId, { create }))!;
const put = (store: PartitionStore, name = "k") =>
  store.commit("p", { conditions: [], puts: [{ key: Buffer.from(name), value: [Buffer.from("v")] }], deletes: [] });
const has = (store: PartitionStore, name = "k") => store.get("p", Buffer.from(name)).then((row) => row !== undefined);

describe("a first use that fails", () => {
  it("does not affect the next use", async () => {
    // At first a file is at the path of the folder; then nothing is.
    await writeFile(path, "");
    await expect(storage.list({ limit: 1 })).rejects.toBeInstanceOf(StorageUnusableError);
    await expect(open()).rejects.toEqual(unavailable);
    await rm(path);
    const store = await open();
    await put(store);
    await store.close();
    expect(await storage.list({ limit: 10 })).toEqual([storeId]);
  });

  it("because it cannot look through the folder does not affect the next use (H5)", async () => {
    await (await open()).close();
    storage = levelStorage({ path });
    // A link to itself makes the look at a folder that a crash may have left fail.
    const loop = join(path, `.creating-${randomUUID()}-${randomUUID()}`);
    await symlink(loop, loop);
    await expect(open()).rejects.toEqual(unavailable);
    await unlink(loop);
    await put(await open());
    expect(await storage.list({ limit: 10 })).toEqual([storeId]);
  });

  it("leaves remains that it cannot remove in place, and works", async () => {
    await (await open()).close();
    const remains = join(path, `.dropped-${randomUUID()}-${randomUUID()}`);
    // A link that the removal of a folder's content cannot follow, and cannot mistake for the folder.
    await symlink(root, remains);
    storage = levelStorage({ path });
    const store = await open();
    expect(await readdir(root)).toEqual(["data"]);
    await store.close();
  });
});

describe("reading", () => {
  it("is an error where the path of the storage is a file", async () => {
    await writeFile(path, "mine");
    for (const use of [() => storage.open(storeId, { create: false }), () => storage.list({ limit: 1 })]) {
      await expect(use()).rejects.toMatchObject({ message: expect.stringContaining("file") });
    }
  });

  it("is an error where the path of the storage, or of the store, is a link that leads nowhere", async () => {
    await symlink(join(root, "nothing"), path);
    await expect(open(false)).rejects.toBeInstanceOf(StorageUnusableError);
    await unlink(path);
    await mkdir(path);
    await symlink(join(root, "nothing"), join(path, storeId));
    await expect(open(false)).rejects.toBeInstanceOf(StorageUnusableError);
    await expect(open(true)).rejects.toBeInstanceOf(StorageUnusableError);
    expect(await storage.list({ limit: 1 })).toEqual([storeId]);
  });

  it("tells the operator the cause, and tells clients no path", async () => {
    await writeFile(path, "mine");
    const error = await open(false).catch((failure) => failure);
    expect(error.message).not.toContain(root);
    expect(JSON.stringify([error.cause.message, error.cause.code])).toContain(path);
  });
});

describe("a store whose files are removed while it is open", () => {
  const ways: [string, () => Promise<unknown>][] = [
    ["the store", () => rm(join(path, storeId), { recursive: true })],
    ["the data folder", () => rm(path, { recursive: true })],
    ["the data folder, by another name", () => rename(path, join(root, "moved"))],
    [
      "the store, replaced by a copy",
      async () => {
        await cp(join(path, storeId), join(root, "copy"), { recursive: true });
        await rm(join(path, storeId), { recursive: true });
        await rename(join(root, "copy"), join(path, storeId));
      },
    ],
  ];
  it.each(ways)("acknowledges no commit into them: %s", async (_, remove) => {
    const store = await open();
    await put(store, "before");
    await remove();
    await expect(put(store, "after")).rejects.toEqual(unavailable);
    await expect(put(store, "after")).rejects.toEqual(unavailable);
    await store.close();
  });

  it("begins no second history under its id, until its files are put back or it is deleted", async () => {
    const store = await open();
    await put(store);
    await cp(join(path, storeId), join(root, "copy"), { recursive: true });
    await rm(join(path, storeId), { recursive: true });
    await expect(put(store)).rejects.toEqual(unavailable);
    await store.close();
    await expect(open()).rejects.toMatchObject({ message: expect.stringContaining("put them back") });
    await expect(open(false)).rejects.toEqual(unavailable);
    await cp(join(root, "copy"), join(path, storeId), { recursive: true });
    const restored = await open();
    expect(await has(restored)).toBe(true);
    await rm(join(path, storeId), { recursive: true });
    await restored.close().catch(() => undefined);
  });

  it("is found by a probe even without writes, and can be created again after a deletion", async () => {
    const store = await open();
    await put(store);
    await rm(join(path, storeId), { recursive: true });
    await storage.probe!({ create: false });
    await expect(has(store)).rejects.toEqual(unavailable);
    await store.close();
    await expect(open()).rejects.toEqual(unavailable);
    await storage.drop!(storeId);
    const anew = await open();
    expect(await has(anew)).toBe(false);
    await anew.close();
  });

  it("is dropped without an error", async () => {
    const store = await open();
    await rm(join(path, storeId), { recursive: true });
    await expect(put(store)).rejects.toEqual(unavailable);
    await store.drop();
    await (await open()).close();
  });
});

describe("a data folder that is not the folder used before", () => {
  it.each([
    ["missing", async () => {}],
    ["an empty mount point", () => mkdir(path)],
    [
      "a new folder",
      async () => void (await (await levelStorage({ path }).open(randomUUID(), { create: true }))!.close()),
    ],
  ])("is refused: %s", async (_, make) => {
    await (await open()).close();
    await rename(path, join(root, "away"));
    await make();
    await expect(open()).rejects.toBeInstanceOf(StorageUnusableError);
    await expect(storage.list({ limit: 1 })).rejects.toBeInstanceOf(StorageUnusableError);
    await expect(storage.probe!({ create: true })).rejects.toBeInstanceOf(StorageUnusableError);
    await expect(storage.drop!(storeId)).rejects.toBeInstanceOf(StorageUnusableError);
    await rm(path, { recursive: true, force: true });
    await rename(join(root, "away"), path);
    await storage.probe!({ create: false });
    await (await open(false)).close();
  });
});

describe("close", () => {
  it("ends the probe and the growth of the reserve that are under way", async () => {
    const store = await open();
    await put(store);
    await store.close();
    const probe = vi.fn();
    void storage.probe!({ create: false }).then(probe);
    await storage.close();
    expect(probe).toHaveBeenCalled();
    expect((await readdir(path)).sort()).toEqual([".reserve", "STREAMKIT-FOLDER.json", storeId].sort());
    expect((await stat(join(path, ".reserve"))).size).toBe(1024 * 1024);
    // A write into the folder would fail this removal, or bring the folder back.
    await rm(path, { recursive: true });
  });
});

describe("dropping without opening", () => {
  it("deletes a store that is damaged", async () => {
    await (await open()).close();
    await writeFile(join(path, storeId, "CURRENT"), "nonsense");
    await expect(open()).rejects.toMatchObject({ reason: ErrorReason.DATA_LOSS });
    await storage.drop!(storeId);
    expect(await storage.list({ limit: 1 })).toEqual([]);
    await storage.drop!(storeId);
  });

  it("leaves alone open stores, and folders that are no stores", async () => {
    const store = await open();
    await expect(levelStorage({ path }).drop!(storeId)).rejects.toEqual(unavailable);
    await put(store);
    expect(await has(store)).toBe(true);
    await store.close();
    const other = randomUUID();
    await mkdir(join(path, other));
    await storage.drop!(other);
    expect(await readdir(path)).toContain(other);
  });
});

it("lists the changes of other processes within a second or so, and its own changes at once", async () => {
  await (await open()).close();
  expect(await storage.list({ limit: 10 })).toEqual([storeId]);
  const [mine, theirs] = [randomUUID(), randomUUID()];
  await (await levelStorage({ path }).open(theirs, { create: true }))!.close();
  await (await storage.open(mine, { create: true }))!.close();
  expect(await storage.list({ limit: 10 })).toContain(mine);
  await expect.poll(() => storage.list({ limit: 10 })).toEqual([storeId, mine, theirs].sort());
  await storage.drop!(mine);
  expect(await storage.list({ limit: 10 })).toEqual([storeId, theirs].sort());
  await rm(join(path, theirs), { recursive: true });
  await expect.poll(() => storage.list({ limit: 10 })).toEqual([storeId]);
});
