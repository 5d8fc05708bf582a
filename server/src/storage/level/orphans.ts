/** Files that LevelDB removes once it is open. On a full disk, LevelDB cannot open while these files take room. */
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { readManifest } from "./manifest.ts";
import { nameOfManifest } from "./verify-database.ts";

/**
 * Removes the tables of a closed database that its manifest does not name: the remains of merges that ran out of room.
 *
 * @throws DATA_LOSS if the manifest is damaged; then nothing is removed
 */
export function removeOrphans(directory: string): void {
  for (const path of orphans(directory)) rmSync(path, { force: true });
}

/** Bytes that `removeOrphans` would free; 0 if the files cannot be read. */
export function bytesOfOrphans(directory: string): number {
  try {
    return orphans(directory).reduce((sum, path) => sum + statSync(path).size, 0);
  } catch {
    return 0;
  }
}

function orphans(directory: string): string[] {
  const manifest = nameOfManifest(readFileSync(join(directory, "CURRENT")));
  const { tables } = readManifest(readFileSync(join(directory, manifest)));
  return readdirSync(directory).flatMap((name) => {
    const number = /^(\d+)\.(?:ldb|sst)$/.exec(name)?.[1];
    return number === undefined || tables.has(Number.parseInt(number, 10)) ? [] : [join(directory, name)];
  });
}
