/**
 * A process for tests to kill. It commits numbered batches to a store, and reports the outcome of each on stdout.
 *
 *     node crash-writer.ts <path> <store id> <first number> <bytes per value>
 *
 * Batch n puts n into the counter row, which is also its condition, and the same bytes into the rows `a<n>` and `b<n>`.
 */
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import { levelStorage } from "./index.ts";

const [path, storeId, first, valueBytes] = process.argv.slice(2);
const partition = "p";
const counter = Buffer.from("counter");
const filler = Buffer.alloc(Number(valueBytes), "x");

const store = (await levelStorage({ path: path! }).open(storeId!, { create: true }))!;
let version = (await store.get(partition, counter))?.version ?? null;

// Writes to a pipe are synchronous: each line that the parent reads was true before the process died.
process.stdout.write("open\n");
for (let number = Number(first); ; number++) {
  const value = [Buffer.from(`${number} `), filler];
  const name = String(number).padStart(9, "0");
  try {
    const result = await store.commit(partition, {
      conditions: [{ key: counter, version }],
      puts: [
        { key: counter, value: [Buffer.from(String(number))] },
        { key: Buffer.from(`a${name}`), value },
        { key: Buffer.from(`b${name}`), value },
      ],
      deletes: [],
    });
    if (!result.committed) throw new Error("conflict without a competitor");
    version = result.versions[0];
    process.stdout.write(`acked ${number}\n`);
  } catch (error) {
    process.stdout.write(`failed ${number} ${reasonOf(error)}\n`);
    break;
  }
}
// G4: until the store is reopened, commits fail. Reads fail too, unless the disk was full or read-only.
for (const operation of [
  () => store.get(partition, counter),
  () => store.commit(partition, { conditions: [], puts: [{ key: Buffer.from("z"), value: [] }], deletes: [] }),
]) {
  await operation().then(
    () => process.stdout.write("later succeeded\n"),
    (error) => process.stdout.write(`later ${reasonOf(error)}\n`),
  );
}
await store.close();
process.stdout.write("closed\n");

function reasonOf(error: unknown): string {
  return error instanceof ServerError ? ErrorReason[error.reason] : String(error);
}
