/**
 * A full volume, end to end. The server refuses appends, and everything else works. Clients can free room through the
 * API alone (M5).
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { CursorService, ErrorDetailSchema, ErrorReason, StoreService, StreamService } from "@streamkit/protocol";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@streamkit/protocol/health";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MountedFolder, mountFolder } from "./mounted-folder.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const KIB = 40 * 1024;
const space = "space";
const segment = "segment";

let volume: MountedFolder;
let path: string;
let server: ServerProcess;
let storeId: string;

beforeEach(async () => {
  volume = await mountFolder(KIB);
  path = join(volume.path, "data");
  server = await startServer(path);
  storeId = crypto.randomUUID();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await volume[Symbol.asyncDispose]();
});

function clients() {
  const transport = createGrpcTransport({ baseUrl: server.url });
  return {
    stream: createClient(StreamService, transport),
    stores: createClient(StoreService, transport),
    cursors: createClient(CursorService, transport),
    health: createClient(Health, transport),
  };
}

/** The reason of a failed call; undefined if it succeeded. */
async function reasonOf(call: Promise<unknown>): Promise<ErrorReason | undefined> {
  return call.then(
    () => undefined,
    (error) => ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason ?? ErrorReason.UNSPECIFIED,
  );
}

const append = (id = storeId, bytes = 60_000) =>
  clients().stream.append({ storeId: id, space, appends: [{ segment, records: [{ payload: randomBytes(bytes) }] }] });

/** Appends until there is no room. Resolves with the number of acknowledged appends. */
async function fill(id = storeId): Promise<number> {
  for (let acked = 0; ; acked++) {
    const reason = await reasonOf(append(id));
    if (reason === undefined) continue;
    expect(reason).toBe(ErrorReason.DISK_FULL);
    return acked;
  }
}

async function count(id = storeId): Promise<number> {
  let found = 0;
  for await (const { batches } of clients().stream.consumeSpace({ storeId: id, space })) {
    for (const { records } of batches) found += records.length;
  }
  return found;
}

/** Fills the volume, as another program would. */
async function fillByOthers(): Promise<string> {
  const name = join(volume.path, "others");
  const { bfree, bsize } = await statfs(volume.path);
  for (let left = bfree * bsize; left > 0; ) {
    const file = createWriteStream(name, { flags: "a" });
    file.end(Buffer.alloc(left, 1));
    await Promise.race([once(file, "close"), once(file, "error")]).catch(() => undefined);
    const now = await statfs(volume.path);
    if (now.bfree * now.bsize >= left) break;
    left = now.bfree * now.bsize;
  }
  return name;
}

async function restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  await server.end(signal);
  server = await startServer(path);
}

/** Trims as clients do: they may retry DISK_FULL while LevelDB merges tables. */
const trim = (beforeSequence: number) =>
  expect
    .poll(
      () => reasonOf(clients().stream.trimSegment({ storeId, space, segment, beforeSequence: BigInt(beforeSequence) })),
      { timeout: 60_000, interval: 500 },
    )
    .toBeUndefined();

const status = async () => (await clients().health.check({})).status;
const appends = () => reasonOf(append(storeId, 10));

describe("a volume that is full of appends", () => {
  it("refuses only appends, and a trim makes room for new ones", async () => {
    const { cursors } = clients();
    const acked = await fill();
    expect(acked).toBeGreaterThan(50);
    expect(await count()).toBe(acked);
    // A refusal changes nothing, and the server refuses new stores as well.
    expect(await reasonOf(append())).toBe(ErrorReason.DISK_FULL);
    expect(await reasonOf(append(crypto.randomUUID()))).toBe(ErrorReason.DISK_FULL);
    expect(await count()).toBe(acked);
    await cursors.commitCursor({ storeId, name: "cursor", expectedVersion: 0n, offsets: { [space]: 1n } });
    await expect.poll(status, { timeout: 30_000 }).toBe(Status.NOT_SERVING);
    expect(server.errors()).toMatch(/error: storage-failed: .*no space left.*ENOSPC.*KiB are free at/);
    await trim(acked + 1);
    await expect.poll(appends, { timeout: 60_000, interval: 200 }).toBeUndefined();
    await expect.poll(status, { timeout: 30_000 }).toBe(Status.SERVING);
    expect(await count()).toBe(1);
    expect(await fill()).toBeGreaterThan(acked / 2);
  });

  it("is the same after a clean restart, and after a kill", async () => {
    const acked = await fill();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await restart(signal);
      expect(await count()).toBe(acked);
    }
    await trim(acked + 1);
    await expect.poll(appends, { timeout: 60_000, interval: 200 }).toBeUndefined();
  });

  it("has room again when a store is deleted", async () => {
    const other = crypto.randomUUID();
    await append(other, 10);
    await fill();
    await clients().stores.deleteStore({ storeId });
    await expect.poll(() => reasonOf(append(other, 10)), { timeout: 30_000 }).toBeUndefined();
    expect(await count(other)).toBeGreaterThanOrEqual(2);
    expect(await count()).toBe(0);
  });
});

it("a volume is filled and trimmed repeatedly, and loses nothing", async () => {
  let first = 1;
  let last = 0;
  for (let cycle = 0; cycle < 4; cycle++) {
    last += await fill();
    if (cycle % 2 === 1) await restart(cycle === 1 ? "SIGKILL" : "SIGTERM");
    expect(await count()).toBe(last - first + 1);
    first += Math.floor((last - first) * 0.8);
    await trim(first);
    expect(await count()).toBe(last - first + 1);
    await expect.poll(appends, { timeout: 60_000, interval: 200 }).toBeUndefined();
    last++;
  }
}, 240_000);

describe("a volume that other programs have filled", () => {
  it.each(["running", "restarted", "killed"])("serves reads, trims and deletions (%s)", async (how) => {
    const other = crypto.randomUUID();
    for (let i = 0; i < 60; i++) await append();
    for (let i = 0; i < 5; i++) await append(other);
    const file = await fillByOthers();
    if (how !== "running") await restart(how === "killed" ? "SIGKILL" : "SIGTERM");
    expect(await count()).toBe(60);
    expect(await count(other)).toBe(5);
    // The room that was reserved for opening the store can be filled now.
    const more = await fill();
    expect(await reasonOf(append(crypto.randomUUID()))).toBe(ErrorReason.DISK_FULL);
    expect(await count()).toBe(60 + more);
    await trim(51);
    expect(await count()).toBe(10 + more);
    await clients().stores.deleteStore({ storeId: other });
    expect(await count(other)).toBe(0);
    await rm(file);
    await expect.poll(appends, { timeout: 60_000 }).toBeUndefined();
    expect(await count()).toBe(11 + more);
  });
});
