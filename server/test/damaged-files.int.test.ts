/** Faults 3 and 6 to 9 as a client sees them: files of a LevelDB store are damaged, lost or in use. */
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, levelStorage } from "../src/index.ts";
import { startServer, temporaryFolder } from "./server-process.ts";

const storeId = crypto.randomUUID();
const space = "space";
const ENTRIES = 120;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let original: string;

/** Runs a server on a folder, in this process, for the time of `use`. */
async function withServer<T>(path: string, use: (client: ReturnType<typeof connect>) => Promise<T>): Promise<T> {
  await using streamkit = createStreamkit({ storage: levelStorage({ path }), onEvent: () => undefined });
  return await use(connect((await streamkit.listen({ port: 0 })).url));
}

const connect = (baseUrl: string) => createClient(StreamService, createGrpcTransport({ baseUrl }));
type StreamClient = ReturnType<typeof connect>;

const append = (client: StreamClient, text: string) =>
  client.append({ storeId, space, appends: [{ segment: "s", records: [{ payload: Buffer.from(text.padEnd(300)) }] }] });

async function read(client: StreamClient): Promise<string[] | ConnectError> {
  const found: string[] = [];
  try {
    for await (const { batches } of client.consumeSpace({ storeId, space })) {
      for (const { records } of batches) found.push(...records.map((r) => Buffer.from(r.payload).toString().trim()));
    }
  } catch (error) {
    return ConnectError.from(error);
  }
  return found;
}

const all = Array.from({ length: ENTRIES }, (_, i) => `entry ${i}`);

/** Checks that a client of a damaged store sees every entry, or DATA_LOSS. */
function expectComplete(outcome: string[] | ConnectError, what: string): void {
  if (!(outcome instanceof ConnectError)) {
    expect(outcome, what).toEqual(all);
    return;
  }
  expect(
    outcome.findDetails(ErrorDetailSchema).map((d) => d.reason),
    `${what}: ${outcome}`,
  ).toEqual([ErrorReason.DATA_LOSS]);
  expect(outcome.code).toBe(Code.DataLoss);
}

/** A copy of the store, to be damaged. */
async function copy(): Promise<{ path: string; files: string[]; fileOf: (name: string) => string }> {
  const path = join(folder.path, crypto.randomUUID());
  await cp(original, path, { recursive: true });
  const [directory] = (await readdir(path)).filter((name) => name.includes(storeId));
  const files = (await readdir(join(path, directory))).filter((name) =>
    /^\d+\.(log|ldb)$|^MANIFEST|^CURRENT$/.test(name),
  );
  return { path, files, fileOf: (name) => join(path, directory, name) };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  original = join(folder.path, "original");
  await withServer(original, async (client) => {
    for (const text of all) await append(client, text);
  });
});
afterAll(() => folder[Symbol.asyncDispose]());

describe("a store on LevelDB", () => {
  it("is complete without damage", async () => {
    const { path } = await copy();
    expect(await withServer(path, read)).toEqual(all);
  });

  it("with one flipped bit, anywhere in its files, says DATA_LOSS or is complete (faults 6 and 8)", async () => {
    let noticed = 0;
    for (let i = 0; i < 24; i++) {
      const { path, files, fileOf } = await copy();
      const name = files.filter((file) => file !== "CURRENT")[i % (files.length - 1)];
      const bytes = await readFile(fileOf(name));
      if (bytes.length === 0) continue;
      const bit = Math.floor(((i + 0.5) / 24) * bytes.length * 8);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      await writeFile(fileOf(name), bytes);
      const outcome = await withServer(path, read);
      expectComplete(outcome, `bit ${bit} of ${name}`);
      if (outcome instanceof ConnectError) noticed++;
    }
    expect(noticed).toBeGreaterThan(5);
  });

  it.each(["CURRENT", "MANIFEST"])(
    "without its %s says DATA_LOSS, to readers and writers, again and again (faults 7 and 8)",
    async (prefix) => {
      const { path, files, fileOf } = await copy();
      for (const name of files.filter((file) => file.startsWith(prefix))) await rm(fileOf(name));
      for (let i = 0; i < 2; i++) {
        await withServer(path, async (client) => {
          const refused = await append(client, "new").catch((error) => ConnectError.from(error));
          expect(refused).toMatchObject({ code: Code.DataLoss });
          const outcome = await read(client);
          expect(outcome).toBeInstanceOf(ConnectError);
          expectComplete(outcome, prefix);
        });
      }
    },
  );

  it("with a truncated log shows no history that never existed (fault 3)", async () => {
    const { path, files, fileOf } = await copy();
    const name = files.find((file) => file.endsWith(".log")) as string;
    const { length } = await readFile(fileOf(name));
    await truncate(fileOf(name), Math.floor(length / 2));
    const outcome = await withServer(path, read);
    // A truncated log looks like a crash during a write. A read must return a prefix of the history, or DATA_LOSS.
    if (outcome instanceof ConnectError) expectComplete(outcome, "cut log");
    else expect(outcome).toEqual(all.slice(0, outcome.length));
  });

  it("that another process has open is UNAVAILABLE at once, and works when that process is gone (fault 9)", async () => {
    const { path } = await copy();
    await using owner = await startServer(path);
    expect(await read(connect(owner.url))).toEqual(all);
    await using second = await startServer(path);
    const start = performance.now();
    const refused = await read(connect(second.url));
    // The machine of the other process may be busy, but the call must not wait for that process to end.
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(refused).toMatchObject({ code: Code.Unavailable });
    expect((refused as ConnectError).findDetails(ErrorDetailSchema)[0]).toMatchObject({
      reason: ErrorReason.STORAGE_UNAVAILABLE,
      retryable: true,
    });
    await owner.end("SIGTERM");
    await expect.poll(() => read(connect(second.url))).toEqual(all);
  });
});
