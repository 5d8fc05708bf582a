import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of a data file of the vega-datasets package: real records, so that examples need no invented ones. */
export function datasetFile(name: string): string {
  // The package exports code only; the data files are next to it.
  const entry = fileURLToPath(import.meta.resolve("vega-datasets"));
  return join(dirname(dirname(entry)), "data", name);
}
