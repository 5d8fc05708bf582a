/**
 * Copies regions of the examples into the code blocks of the documentation, so that readers see code that was run.
 *
 *     node --conditions=@streamkit/source examples/src/readme/insert.ts           writes
 *     node --conditions=@streamkit/source examples/src/readme/insert.ts --check   fails if a document would change
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { insertRegions } from "./regions.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const check = process.argv.includes("--check");
const documents = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)];

for (const path of documents.filter((name) => name.endsWith(".md"))) {
  const before = readFileSync(join(ROOT, path), "utf8");
  const after = insertRegions(before, (source) => readFileSync(join(ROOT, source), "utf8"));
  if (after === before) continue;
  if (check) {
    console.error(`${path} differs from the examples: run examples/src/readme/insert.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, path), after);
    console.log(`${path} updated`);
  }
}
