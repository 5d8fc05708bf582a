/**
 * Measures the memory of an export and of an import: the peak of the resident memory per tenth of the work. Flat
 * figures show that the memory does not depend on the size of the store.
 *
 *     npm run export-memory          1,024 MiB of entries
 *     npm run export-memory -- 64    64 MiB
 */
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStreamkit, levelStorage } from "@streamkit/server";

const mebibytes = Number(process.argv[2] ?? 1_024);
const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const folder = await mkdtemp(join(tmpdir(), "streamkit-export-memory-"));
const file = join(folder, "store.skx");

/** Lines of about 1 KiB whose payloads do not compress. */
async function* lines(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < mebibytes * 1_024; i++) {
    yield Buffer.from(`{"space":"orders","segment":"s${i % 100}","text":"${randomBytes(730).toString("base64")}"}\n`);
  }
}

/** The peak of the resident memory in each tenth of some bytes, in MiB. */
class Peaks {
  readonly #peaks: number[] = [];

  at(bytes: number): void {
    const tenth = Math.min(9, Math.floor((10 * bytes) / (mebibytes * 2 ** 20)));
    this.#peaks[tenth] = Math.max(this.#peaks[tenth] ?? 0, Math.round(process.memoryUsage().rss / 2 ** 20));
  }

  toString(): string {
    return this.#peaks.join(" ");
  }
}

const [exporting, importing] = [new Peaks(), new Peaks()];
try {
  {
    await using source = createStreamkit({ storage: levelStorage({ path: join(folder, "from") }) });
    await source.importLines(storeId, lines());
  }
  {
    await using source = createStreamkit({ storage: levelStorage({ path: join(folder, "from") }) });
    await using out = await open(file, "w");
    const options = { compression: "none", onProgress: ({ bytes }: { bytes: number }) => exporting.at(bytes) } as const;
    for await (const bytes of source.exportStore(storeId, options)) await out.writeFile(bytes);
  }
  console.log(`export of ${mebibytes} MiB: peak of each tenth, in MiB: ${exporting}`);
  await using target = createStreamkit({ storage: levelStorage({ path: join(folder, "to") }) });
  await target.importStore(createReadStream(file), { onProgress: ({ bytes }) => importing.at(bytes) });
  console.log(`import of ${mebibytes} MiB: peak of each tenth, in MiB: ${importing}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
