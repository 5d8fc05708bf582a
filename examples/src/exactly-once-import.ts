/**
 * Exactly-once import: reads a file into a segment. You may interrupt and restart the import at any time. The id of
 * each transaction follows from the file and the place in it, so the server recognises a repetition, and writes
 * nothing.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { datasetFile } from "./dataset.ts";

const BATCH_LINES = 100;
const FILE = "seattle-weather.csv";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const measurements = client.store(crypto.randomUUID()).space("measurements").segment(FILE);

// #region exactly-once-import
/** A UUID that is the same whenever the same part of the same file is imported. */
function idOf(file: string, batch: number): string {
  const hex = createHash("sha256").update(`${file}#${batch}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/** Imports lines, starting over from the first; ends early after `stopAfter` transactions, as a crash would. */
async function importLines(lines: readonly string[], stopAfter = Number.POSITIVE_INFINITY) {
  let written = 0;
  let repeated = 0;
  for (let batch = 0; batch * BATCH_LINES < lines.length && batch < stopAfter; batch++) {
    const from = batch * BATCH_LINES;
    const records = lines.slice(from, from + BATCH_LINES).map((line) => Buffer.from(line));
    const { deduplicated } = await measurements.append(records, {
      transactionId: idOf(FILE, batch),
      // Line n becomes sequence n. With an expectation, the server recognises the id for as long as the entries exist.
      expectedLastSequence: from,
    });
    if (deduplicated) repeated += records.length;
    else written += records.length;
  }
  return { written, repeated };
}
// #endregion exactly-once-import

const [, ...lines] = (await readFile(datasetFile(FILE), "utf8")).trimEnd().split("\n");
console.log(`cut off:  ${JSON.stringify(await importLines(lines, 6))}`);
console.log(`repeated: ${JSON.stringify(await importLines(lines))}`);

const { lastSequence } = await measurements.status();
const stored: string[] = [];
for await (const { payload } of measurements.consume()) stored.push(Buffer.from(payload).toString());
const equal = stored.length === lines.length && stored.every((line, index) => line === lines[index]);
console.log(
  `${lastSequence} entries for ${lines.length} lines; ${equal ? "equal to the file" : "NOT equal to the file"}`,
);
