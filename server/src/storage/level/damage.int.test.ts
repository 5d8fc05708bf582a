/** Damaged, missing and foreign files (faults 6 to 9): each gives an error, and Streamkit repairs nothing. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PartitionStore } from "../port.ts";
import { levelStorage } from "./index.ts";

const dataLoss = expect.objectContaining({ reason: ErrorReason.DATA_LOSS });
const unavailable = expect.objectContaining({ reason: ErrorReason.STORAGE_UNAVAILABLE });
const invalid = expect.objectContaining({ reason: ErrorReason.INVALID_FIELD });

let path: string;
let storeId: string;
let directory: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "streamkit-damage-"));
  storeId = randomUUID();
  directory = join(path, storeId);
});

afterEach(() => rm(path, { recursive: true, force: true }));

describe("the log", () => {
  it("is refused when a bit of any record but the last is flipped (fault 6)", async () => {
    const { log, ends } = await storeWithLog(10, 3_000);
    for (const [index, end] of ends.slice(0, -1).entries()) {
      const begin = index === 0 ? 0 : ends[index - 1];
      // In the checksum, the length, the type, the sequence number, and the data.
      for (const offset of [0, 4, 5, 6, 8, Math.floor((end - begin) / 2)]) {
        await withFlip(log, begin + offset, async () => {
          await expect(reopen(), `bit flipped at ${begin + offset}`).rejects.toEqual(dataLoss);
        });
      }
    }
    expect(await rowsAfterReopen()).toBe(10);
  });

  it("is refused when records of several blocks are damaged", async () => {
    const { log, ends } = await storeWithLog(5, 100_000);
    for (const offset of [10, 40_000, 70_000, 99_999]) {
      await withFlip(log, ends[1] + offset, async () => {
        await expect(reopen(), `bit flipped at ${offset} of the third`).rejects.toEqual(dataLoss);
      });
    }
  });

  it("is accepted with a torn end: that commit was never acknowledged", async () => {
    for (const valueBytes of [3_000, 100_000]) {
      storeId = randomUUID();
      directory = join(path, storeId);
      const { log, ends } = await storeWithLog(5, valueBytes);
      const end = ends[4];
      await truncate(log, end - 1);
      expect(await rowsAfterReopen()).toBe(4);
    }
  });

  it("is refused when it is missing", async () => {
    const { log } = await storeWithLog(5, 100);
    await rm(log);
    await expect(reopen()).rejects.toEqual(dataLoss);
  });

  it("is refused when an earlier log has lost its end", async () => {
    const { log, ends } = await storeWithLog(5, 100);
    const content = await readFile(log);
    // As after a crash while LevelDB writes the rows of the first log to a table: the second log continues the first.
    await writeFile(join(directory, "000099.log"), content.subarray(ends[2]));
    await truncate(log, ends[1]);
    await expect(reopen()).rejects.toEqual(dataLoss);
    await writeFile(log, content.subarray(0, ends[2]));
    expect(await rowsAfterReopen()).toBe(5);
  });
});

describe("the other files", () => {
  it("CURRENT missing: refused, and nothing is deleted (fault 7)", async () => {
    await storeWithTable();
    await rm(join(directory, "CURRENT"));
    const before = (await readdir(directory)).sort();
    for (const create of [true, false]) {
      await expect(levelStorage({ path }).open(storeId, { create })).rejects.toEqual(dataLoss);
    }
    expect((await readdir(directory)).sort()).toEqual(before);
  });

  it("marker missing: refused", async () => {
    await storeWithTable();
    await rm(join(directory, "STREAMKIT.json"));
    await expect(reopen()).rejects.toEqual(dataLoss);
  });

  it("marker damaged, of another store, of a newer version: refused", async () => {
    await storeWithTable();
    const marker = join(directory, "STREAMKIT.json");
    const content = JSON.parse(await readFile(marker, "utf8"));
    await writeFile(marker, "{");
    await expect(reopen()).rejects.toEqual(dataLoss);
    await writeFile(marker, JSON.stringify({ ...content, storeId: randomUUID() }));
    await expect(reopen()).rejects.toEqual(dataLoss);
    await writeFile(marker, JSON.stringify({ ...content, version: 2 }));
    await expect(reopen()).rejects.toThrow(/format version 2/);
  });

  it("table deleted, cut or overwritten: DATA_LOSS at open or at the first read (fault 8)", async () => {
    const table = await storeWithTable();
    const size = (await stat(table)).size;
    await damaged(table, () => rm(table));
    await damaged(table, () => truncate(table, Math.floor(size / 2)));
    await damaged(table, () => overwrite(table, size - 40, 40));
  });

  it("manifest deleted or damaged: DATA_LOSS (fault 8)", async () => {
    await storeWithTable();
    const name = (await readdir(directory)).find((file) => file.startsWith("MANIFEST-"))!;
    const manifest = join(directory, name);
    await damaged(manifest, () => rm(manifest));
    await damaged(manifest, () => overwrite(manifest, 10, 10));
  });

  it("CURRENT damaged: DATA_LOSS", async () => {
    await storeWithTable();
    const current = join(directory, "CURRENT");
    await damaged(current, () => writeFile(current, ""));
    await damaged(current, () => writeFile(current, "MANIFEST-999999\n"));
  });
});

describe("directories", () => {
  it("a store that another process has open is refused at once, and is unharmed (fault 9)", async () => {
    const writer = fileURLToPath(new URL("crash-writer.ts", import.meta.url));
    const args = ["--conditions=@streamkit/source", writer, path, storeId, "1", "1000"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(child, "close");
    try {
      let attempts = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        if (!line.startsWith("acked ")) continue;
        await expect(reopen()).rejects.toEqual(unavailable);
        await expect(reopen()).rejects.toThrow(/open already/);
        attempts += 1;
        if (attempts === 10) break;
      }
      expect(attempts).toBe(10);
    } finally {
      child.kill("SIGKILL");
      await closed;
    }
    await (await reopen()).close();
  });

  it("ids that are not UUIDs in lower case are refused, and touch no file (fault 27)", async () => {
    for (const id of [
      "..",
      ".",
      "",
      "a",
      "../x",
      storeId.toUpperCase(),
      `${storeId}/`,
      `${storeId}\0`,
      `../${storeId}`,
    ]) {
      await expect(levelStorage({ path }).open(id, { create: true })).rejects.toEqual(invalid);
    }
    expect(await readdir(path)).toEqual([]);
  });

  it("opening without create makes no directory, not even the storage's own", async () => {
    const inner = join(path, "not", "there");
    expect(await levelStorage({ path: inner }).open(storeId, { create: false })).toBeUndefined();
    expect(await levelStorage({ path: inner }).list({ limit: 10 })).toEqual([]);
    expect(await readdir(path)).toEqual([]);
  });

  it("directories of other programs are not stores, and stay unchanged", async () => {
    await mkdir(directory);
    await writeFile(join(directory, "notes.txt"), "mine");
    expect(await levelStorage({ path }).open(storeId, { create: false })).toBeUndefined();
    await expect(levelStorage({ path }).open(storeId, { create: true })).rejects.toEqual(unavailable);
    expect(await levelStorage({ path }).list({ limit: 10 })).toEqual([]);
    expect(await readdir(directory)).toEqual(["notes.txt"]);
    expect(new Set(await readdir(path))).toEqual(new Set([storeId, "STREAMKIT-FOLDER.json"]));
  });

  it("the remains of an interrupted drop are removed, and are no store", async () => {
    await storeWithTable();
    const remains = `.dropped-${storeId}-${randomUUID()}`;
    await cp(directory, join(path, remains), { recursive: true });
    await rm(directory, { recursive: true });
    const storage = levelStorage({ path });
    expect(await storage.list({ limit: 10 })).toEqual([]);
    expect((await readdir(path)).filter((name) => name !== ".reserve")).toEqual(["STREAMKIT-FOLDER.json"]);
  });
});

async function reopen(): Promise<PartitionStore> {
  return (await levelStorage({ path }).open(storeId, { create: false }))!;
}

async function rowsAfterReopen(): Promise<number> {
  const store = await reopen();
  try {
    let rows = 0;
    for await (const page of store.scan("p", { gte: Buffer.of(0), lt: Buffer.of(0xff) })) rows += page.length;
    return rows;
  } finally {
    await store.close();
  }
}

/** A closed store whose rows are in its log; `ends[i]` is the size of the log after commit i. */
async function storeWithLog(commits: number, valueBytes: number): Promise<{ log: string; ends: number[] }> {
  const store = (await levelStorage({ path }).open(storeId, { create: true }))!;
  const name = (await readdir(directory)).find((file) => file.endsWith(".log"))!;
  const log = join(directory, name);
  const ends: number[] = [];
  for (let index = 0; index < commits; index++) {
    await put(store, index, valueBytes);
    ends.push((await stat(log)).size);
  }
  await store.close();
  return { log, ends };
}

/** A closed store whose rows are in a table: opening a store moves the rows of its log there. Returns the table. */
async function storeWithTable(): Promise<string> {
  await storeWithLog(20, 3_000);
  await (await reopen()).close();
  const name = (await readdir(directory)).find((file) => /\.(ldb|sst)$/.test(file))!;
  return join(directory, name);
}

async function put(store: PartitionStore, index: number, valueBytes: number): Promise<void> {
  const key = Buffer.from(`k${String(index).padStart(6, "0")}`);
  await store.commit("p", {
    conditions: [],
    puts: [{ key, value: [Buffer.alloc(valueBytes, index + 1)] }],
    deletes: [],
  });
}

async function withFlip(file: string, position: number, check: () => Promise<void>): Promise<void> {
  const flip = async () => {
    const handle = await open(file, "r+");
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, position);
    byte[0] ^= 0x10;
    await handle.write(byte, 0, 1, position);
    await handle.close();
  };
  await flip();
  await check();
  await flip();
}

async function overwrite(file: string, position: number, length: number): Promise<void> {
  const handle = await open(file, "r+");
  await handle.write(Buffer.alloc(length, 0xa5), 0, length, position);
  await handle.close();
}

/** Damages a file of the store, expects that opening or reading fails, and restores all files. */
async function damaged(file: string, damage: () => Promise<void>): Promise<void> {
  const backup = join(path, "backup");
  await cp(directory, backup, { recursive: true });
  await damage();
  await expect(rowsAfterReopen(), file).rejects.toEqual(dataLoss);
  await rm(directory, { recursive: true });
  await cp(backup, directory, { recursive: true });
  await rm(backup, { recursive: true });
}
