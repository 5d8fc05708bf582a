/**
 * Starts that must fail: with one line that names path and cause, with exit code 1, and without listening (H6, M6,
 * M15).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { StoreService, StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectionStringTo, startAzurite } from "../src/storage/azure/test/azurite.ts";
import { mountFolder } from "./mounted-folder.ts";
import { startServer, temporaryFolder } from "./server-process.ts";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
const storeId = crypto.randomUUID();
const appends = [{ segment: "s", records: [{ payload: Buffer.from("x") }] }];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

/** Starts a server that must not come up. Resolves with its exit code and output. */
async function startInVain(path: string, args: readonly string[] = [], user?: number) {
  const child = spawn(
    process.execPath,
    ["--conditions=@streamkit/source", BIN, "--port", "0", "--path", path, ...args],
    { stdio: ["ignore", "pipe", "pipe"], ...(user !== undefined && { uid: user, gid: user }) },
  );
  let errors = "";
  let output = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout.on("data", (chunk) => {
    output += chunk;
    child.kill("SIGKILL");
  });
  const [code] = await once(child, "close");
  return { code, errors, output };
}

async function expectRefusal(path: string, cause: RegExp, args: readonly string[] = [], user?: number) {
  const { code, errors, output } = await startInVain(path, args, user);
  expect(output).toBe("");
  expect(errors).toMatch(cause);
  expect(errors.trimEnd().split("\n")).toHaveLength(1);
  expect(errors).toContain(`cannot start: ${path}: `);
  expect(code).toBe(1);
}

describe("a server does not start", () => {
  it("on a file", async () => {
    const path = join(folder.path, "file");
    await writeFile(path, "mine");
    await expectRefusal(path, /leads through a file: ENOTDIR/);
  });

  it("below a file", async () => {
    await writeFile(join(folder.path, "file"), "mine");
    await expectRefusal(join(folder.path, "file", "data"), /ENOTDIR/);
  });

  it("on a dangling link", async () => {
    const path = join(folder.path, "link");
    await symlink(join(folder.path, "nothing"), path);
    await expectRefusal(path, /a link that leads nowhere: ENOENT: .* is a link to .*nothing/);
    expect(await readdir(folder.path)).toEqual(["link"]);
  });

  it("on a read-only volume", async () => {
    await using mounted = await mountFolder(1_024);
    mounted.remount("ro");
    await expectRefusal(join(mounted.path, "data"), /read-only: EROFS/);
  });

  it("in a folder of another user", async () => {
    const path = join(folder.path, "data");
    await mkdir(path, { mode: 0o755 });
    await chmod(folder.path, 0o755);
    // Root may write anywhere.
    const user = process.getuid?.() === 0 ? 65_534 : undefined;
    if (user === undefined) await chmod(path, 0o555);
    await expectRefusal(path, /no permission .*: EACCES: permission denied/, [], user);
  });

  it("without data, when data is required", async () => {
    const path = join(folder.path, "data");
    await expectRefusal(path, /holds no data.*is its volume mounted\?/, ["--require-data"]);
    await mkdir(path);
    await expectRefusal(path, /holds no data/, ["--require-data"]);
    await using first = await startServer(path);
    await createClient(StreamService, createGrpcTransport({ baseUrl: first.url })).append({
      storeId,
      space: "s",
      appends,
    });
    await first.end("SIGTERM");
    await using second = await startServer(path, "--require-data");
    expect(second.line).toContain("listens");
  });

  it("with a key that Azure refuses", async () => {
    const azurite = await startAzurite();
    try {
      const connectionString = connectionStringTo(azurite.port).replace(
        /AccountKey=[^;]*/,
        "AccountKey=c2VjcmV0LWtleQ==",
      );
      const { code, errors } = await startInVain("unused", [
        "--storage",
        "azure",
        "--azure-connection-string",
        connectionString,
      ]);
      expect(errors).toMatch(/^streamkit-server: cannot start: http\S+: Azure refused access \(403 \w+\)/);
      expect(errors).not.toContain("c2VjcmV0");
      expect(code).toBe(1);
    } finally {
      await azurite.stop();
    }
  });
});

it("only the user of the server can read the data", async () => {
  const path = join(folder.path, "above", "data");
  await using server = await startServer(path);
  const client = createClient(StreamService, createGrpcTransport({ baseUrl: server.url }));
  await client.append({ storeId, space: "s", appends });
  const modes = new Map<string, number>();
  for (const name of await readdir(join(folder.path, "above"), { recursive: true })) {
    const found = await stat(join(folder.path, "above", name));
    modes.set(name, found.mode & 0o777);
    expect(found.mode & 0o777, name).toBe(found.isDirectory() ? 0o700 : 0o600);
  }
  expect(modes.size).toBeGreaterThan(5);
});

it("a store whose path is a dangling link is an error, and is listed", async () => {
  await symlink(join(folder.path, "nothing"), join(folder.path, storeId));
  await using server = await startServer(folder.path);
  const transport = createGrpcTransport({ baseUrl: server.url });
  const client = createClient(StreamService, transport);
  const stores = createClient(StoreService, transport);
  await expect(client.append({ storeId, space: "s", appends })).rejects.toThrow(/link that leads nowhere/);
  await expect(client.listSpaces({ storeId })).rejects.toThrow(/link that leads nowhere/);
  await expect(stores.getStore({ storeId })).rejects.toThrow(/link that leads nowhere/);
  expect((await stores.listStores({})).stores.map((store) => store.storeId)).toEqual([storeId]);
  await rm(join(folder.path, storeId));
});
