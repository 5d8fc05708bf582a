/**
 * Storage that fails under a running server. Clients, operators and load balancers see the failure, and it ends with
 * its cause (H5, H6, M6).
 */
import { execFileSync } from "node:child_process";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorDetailSchema, ErrorReason, StoreService, StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountDisk, mountFolder } from "./mounted-folder.ts";
import { type ServerProcess, startServer, temporaryFolder } from "./server-process.ts";

const space = "space";
const segment = "segment";
const patience = { timeout: 45_000 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
let storeId: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  storeId = crypto.randomUUID();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** Starts the server, with clients on one connection. */
async function start(path: string) {
  server = await startServer(path);
  const transport = createGrpcTransport({ baseUrl: server.url });
  const stream = createClient(StreamService, transport);
  const stores = createClient(StoreService, transport);
  await stores.getServerInfo({});
  return {
    stream,
    stores,
    append: (id = storeId) =>
      stream.append({ storeId: id, space, appends: [{ segment, records: [{ payload: Buffer.from("x") }] }] }),
    async count(id = storeId): Promise<number> {
      let found = 0;
      for await (const { batches } of stream.consumeSpace({ storeId: id, space })) {
        for (const { records } of batches) found += records.length;
      }
      return found;
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<{ reason?: ErrorReason; message: string }> {
  return call.then(
    () => ({ message: "" }),
    (thrown) => {
      const error = ConnectError.from(thrown);
      return { reason: error.findDetails(ErrorDetailSchema)[0]?.reason, message: error.message };
    },
  );
}
const reasonOf = async (call: Promise<unknown>) => (await failureOf(call)).reason;

function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

const readyz = () => fetch(`${server.url}/readyz`).then(async (response) => [response.status, await response.text()]);
const healthz = () => fetch(`${server.url}/healthz`).then((response) => response.status);

describe("too many open files", () => {
  /** The process itself uses more descriptors than this, so it gets no further one. */
  const USED = 8;
  const limitFiles = (limit: number) =>
    execFileSync("prlimit", ["--pid", String(server.child.pid), `--nofile=${limit}:`]);

  it("fail the first use of a storage, are reported, and leave nothing behind", async () => {
    const { append, count, stores } = await start(join(folder.path, "data"));
    limitFiles(USED);
    for (let i = 0; i < 3; i++) {
      const { reason, message } = await failureOf(append(crypto.randomUUID()));
      expect(reason).toBe(ErrorReason.STORAGE_UNAVAILABLE);
      expect(message).not.toContain(folder.path);
    }
    expect(await reasonOf(stores.listStores({}))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    await expect.poll(() => server.errors(), patience).toMatch(/error: storage-failed: .*too many files open.*EMFILE/);
    limitFiles(1_024);
    await expect.poll(() => reasonOf(append()), patience).toBeUndefined();
    expect(await count()).toBe(1);
    expect((await stores.listStores({})).stores).toHaveLength(1);
    await expect.poll(readyz, patience).toEqual([200, "ready\n"]);
  });

  it("fail new stores while open ones go on", async () => {
    const { append, count } = await start(join(folder.path, "data"));
    await append();
    limitFiles(USED);
    const other = crypto.randomUUID();
    expect(await reasonOf(append(other))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    await append();
    expect(await count()).toBe(2);
    limitFiles(1_024);
    await expect.poll(() => reasonOf(append(other)), patience).toBeUndefined();
  });
});

describe("a volume that becomes read-only", () => {
  it("refuses appends with one event, serves reads, and recovers", async () => {
    await using volume = await mountDisk(64 * 1024);
    const { append, count } = await start(join(volume.path, "data"));
    for (let i = 0; i < 5; i++) await append();
    volume.remount("abort");
    const { reason, message } = await failureOf(append());
    expect(reason).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(message).not.toContain(volume.path);
    expect(await count()).toBe(5);
    for (let i = 0; i < 5; i++) expect(await reasonOf(append())).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(await count()).toBe(5);
    await expect.poll(readyz, patience).toEqual([503, expect.stringContaining("read-only")]);
    expect(await healthz()).toBe(200);
    const events = server.errors().split("\n");
    expect(events.filter((line) => line.includes("storage-failed"))).toHaveLength(1);
    expect(server.errors()).toMatch(/EROFS|[Rr]ead-only file system/);
    // An operator would stop the server, check the file system, and start the server again.
    await server.end("SIGTERM");
    volume.unmount();
    volume.mount();
    const again = await start(join(volume.path, "data"));
    await again.append();
    expect(await again.count()).toBe(6);
    await server.end("SIGTERM");
  });

  it("refuses new stores too, and recovers by itself once it is writable", async () => {
    await using volume = await mountFolder(32 * 1024);
    const { append } = await start(join(volume.path, "data"));
    // Retried, because the volume is busy while a probe has a file open.
    await expect.poll(() => attempt(() => volume.remount("ro")), patience).toBe(true);
    expect(await reasonOf(append())).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    await expect.poll(readyz, patience).toEqual([503, expect.stringContaining("read-only")]);
    expect(server.errors()).toMatch(/storage-failed: .*the volume is read-only.*EROFS/);
    volume.remount("rw");
    await expect.poll(() => reasonOf(append()), patience).toBeUndefined();
    await expect.poll(readyz, patience).toEqual([200, "ready\n"]);
  });
});

describe("a data folder that disappears under a server", () => {
  it("when it is removed, no append is acknowledged and no new history begins", async () => {
    const path = join(folder.path, "data");
    const { append, count } = await start(path);
    await append();
    await rm(path, { recursive: true });
    for (let i = 0; i < 3; i++) {
      const { reason, message } = await failureOf(append());
      expect(reason).toBe(ErrorReason.STORAGE_UNAVAILABLE);
      expect(message).not.toContain(path);
    }
    expect(await reasonOf(append(crypto.randomUUID()))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(await reasonOf(count(crypto.randomUUID()))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    await expect.poll(readyz, patience).toEqual([503, expect.stringContaining("removed, replaced or unmounted")]);
    expect(await readdir(folder.path)).toEqual([]);
    // An empty folder in its place, such as a mount point, changes nothing.
    await mkdir(path);
    expect(await reasonOf(append(crypto.randomUUID()))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(await readdir(path)).toEqual([]);
  });

  it("when it comes back, the server uses it again", async () => {
    const path = join(folder.path, "data");
    const { append, count } = await start(path);
    await append();
    await rename(path, `${path}-away`);
    expect(await reasonOf(append())).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    await rename(`${path}-away`, path);
    await expect.poll(() => reasonOf(append()), patience).toBeUndefined();
    // The outcome of the unacknowledged append is unknown: the server wrote it before it checked the folder.
    expect(await count()).toBeGreaterThanOrEqual(2);
    await expect.poll(readyz, patience).toEqual([200, "ready\n"]);
  });

  it("when its volume is unmounted, and mounted again without data, it is not used", async () => {
    await using volume = await mountFolder(32 * 1024);
    const { append } = await start(volume.path);
    await append();
    volume.unmount();
    expect(await reasonOf(append())).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    volume.mount();
    expect(await reasonOf(append(crypto.randomUUID()))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(await readdir(volume.path)).toEqual([]);
  });
});
