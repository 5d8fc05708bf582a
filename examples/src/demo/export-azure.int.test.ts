/** The data of the demo, from level to Azure Tables and back. */
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createStreamkitClient, json } from "@streamkit/client";
import { createStreamkit, entryLines, levelStorage, type Storage, verifyExport } from "@streamkit/server";
import { azureStorage } from "@streamkit/server/azure";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Azurite, connectionStringTo, startAzurite } from "../../../server/src/storage/azure/test/azurite.ts";
import { streamkitServer } from "../../../server/test/export-command.ts";
import { temporaryFolder } from "../../../server/test/server-process.ts";
import { Checks } from "./checks.ts";
import { type Flight, loadFlights } from "./flights.ts";
import { importFlights } from "./import-flights.ts";

const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.stop());

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

const exportOf = async (storage: Storage) => {
  await using streamkit = createStreamkit({ storage });
  return await bytesOf(streamkit.exportStore(storeId));
};

/** Every entry of a file with all that belongs to it, as text. */
const linesOf = async (file: Buffer) => (await bytesOf(entryLines(chunked(file), "ndjson", "base64"))).toString();

async function* chunked(file: Buffer) {
  yield file;
}

it("is equal entry for entry after level, Azure and level", async () => {
  await using folder = await temporaryFolder();
  const level = (name: string) => levelStorage({ path: join(folder.path, name) });
  const azure = () => azureStorage({ connectionString: connectionStringTo(azurite.port) });
  const flights = await loadFlights();
  {
    await using streamkit = createStreamkit({ storage: level("first") });
    const space = createStreamkitClient({ transport: streamkit.transport() })
      .store(storeId)
      .withCodec(json<Flight>())
      .space("flights");
    await importFlights(space, flights, new Checks(), new AbortController().signal);
    await space.segment("ATL").trim({ beforeSequence: 100 });
  }
  const first = await exportOf(level("first"));
  await writeFile(join(folder.path, "first.skx"), first);
  {
    await using streamkit = createStreamkit({ storage: azure() });
    const result = await streamkit.importStore(createReadStream(join(folder.path, "first.skx")));
    expect(result.written).toBe(flights.length - 99);
  }
  const second = await exportOf(azure());
  await writeFile(join(folder.path, "second.skx"), second);
  const words = ["import", "--file", "second.skx", "--path", "second"];
  expect(await streamkitServer(words, { cwd: folder.path })).toMatchObject({ code: 0 });
  const third = await exportOf(level("second"));

  const expected = await linesOf(first);
  expect(expected.split("\n")).toHaveLength(flights.length - 99 + 1);
  // Not with toEqual, which would print 20,000 lines.
  expect((await linesOf(second)) === expected).toBe(true);
  expect((await linesOf(third)) === expected).toBe(true);
  const positions = await Promise.all(
    [first, second, third].map(async (file) => (await verifyExport(chunked(file))).positions),
  );
  expect(positions[1]).toEqual(positions[0]);
  expect(positions[2]).toEqual(positions[0]);
}, 600_000);
