import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { PartitionStore } from "../port.ts";
import { levelStorage } from "./index.ts";
import { removeOrphans } from "./orphans.ts";

let path: string;
let directory: string;
const storeId = randomUUID();

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "streamkit-orphans-"));
  directory = join(path, storeId);
});
afterEach(() => rm(path, { recursive: true, force: true }));

const open = async () => (await levelStorage({ path, writeBufferBytes: 64 * 1024 }).open(storeId, { create: true }))!;
const tables = async () => (await readdir(directory)).filter((name) => name.endsWith(".ldb")).sort();

async function rowsOf(store: PartitionStore): Promise<number> {
  let rows = 0;
  for await (const page of store.scan("p", { gte: Buffer.of(0), lt: Buffer.of(0xff) })) rows += page.length;
  return rows;
}

it("removes the tables that the manifest does not name, and no others", async () => {
  const store = await open();
  // Several logs become tables, and tables are merged meanwhile.
  for (let i = 0; i < 200; i++) {
    const key = Buffer.from(`k${i % 150}`);
    await store.commit("p", { conditions: [], puts: [{ key, value: [Buffer.alloc(8_000, i)] }], deletes: [] });
  }
  await store.close();
  await (await open()).close();
  const before = await tables();
  expect(before.length).toBeGreaterThan(1);
  await writeFile(join(directory, "999999.ldb"), "what a merge without room left");
  removeOrphans(directory);
  expect(await tables()).toEqual(before);
  const reopened = await open();
  expect(await rowsOf(reopened)).toBe(150);
  await reopened.close();
});

it("removes nothing when the manifest cannot be read", async () => {
  await (await open()).close();
  await writeFile(join(directory, "999999.ldb"), "");
  await writeFile(join(directory, "CURRENT"), "nonsense");
  expect(() => removeOrphans(directory)).toThrow(expect.objectContaining({ reason: ErrorReason.DATA_LOSS }));
  expect(await tables()).toEqual(["999999.ldb"]);
});
