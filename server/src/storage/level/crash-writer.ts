/**
 * A process for tests to kill: commits numbered batches to a store, and says on stdout what became of each.
 *
 *     node crash-writer.ts <path> <store id> <first number> <bytes per value>
 *
 * Batch n puts three rows with the same bytes: `a` and `b`, and the counter, which is its condition.
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

// Lines to a pipe are written synchronously: what the parent reads was so before the process died.
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
    version = result.versions[0]!;
    process.stdout.write(`acked ${number}\n`);
  } catch (error) {
    process.stdout.write(`failed ${number} ${reasonOf(error)}\n`);
    break;
  }
}
// G4: no commit is possible any more until the store is reopened, and no read unless the disk was full.
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
