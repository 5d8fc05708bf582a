/** Files that LevelDB itself would remove once it is open: on a full disk it cannot open before they are gone. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { currentManifest } from "./verify-database.ts";

/**
 * Removes the tables of a closed database that its manifest does not name: what merges that found no room have left.
 *
 * @throws DATA_LOSS when the manifest is damaged; nothing is removed then
 */
export async function removeOrphans(directory: string): Promise<void> {
  const { tables } = await currentManifest(directory);
  for (const name of await readdir(directory)) {
    const number = /^(\d+)\.(?:ldb|sst)$/.exec(name)?.[1];
    if (number !== undefined && !tables.has(Number.parseInt(number, 10))) await rm(join(directory, name));
  }
}
