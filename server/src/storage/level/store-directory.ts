/**
 * The directories of a storage:
 *
 *   <path>/STREAMKIT-FOLDER.json        the marker of the folder (data-folder.ts)
 *   <path>/<store id>/                  a store: STREAMKIT.json and the files of LevelDB
 *   <path>/.creating-<store id>-<n>/    a store that is being made; gets its final name once it is complete
 *   <path>/.dropped-<store id>-<n>/     a store that was dropped and is being deleted
 *
 * Both renames are atomic, so a crash leaves a store whole or leaves no store. The next use of the storage removes the
 * remains under the other names.
 */
import { randomUUID } from "node:crypto";
import { access, lstat, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { dataLoss } from "../../errors.ts";
import { isStoreId } from "../abstract-level/store-id.ts";
import { assertNoDanglingLink, PROBE_PREFIX } from "./data-folder.ts";
import { PRIVATE_FOLDER, syncDirectory } from "./durable-files.ts";
import { isInFile, isMissing, isOccupied } from "./file-error.ts";
import { isMarked, MARKER_NAME, writeMarker } from "./marker.ts";

const CREATING = ".creating-";
const DROPPED = ".dropped-";

/** A creation takes milliseconds. A creation that began this long ago will never be finished. */
const ABANDONED_AFTER_MILLIS = 60 * 60 * 1_000;

export function storeDirectory(path: string, storeId: string): string {
  return join(path, storeId);
}

/**
 * Resolves with true if the store exists.
 *
 * @throws DATA_LOSS if the store existed, but its marker or its database is gone
 */
export async function storeExists(path: string, storeId: string): Promise<boolean> {
  const directory = storeDirectory(path, storeId);
  const marked = await isMarked(directory, storeId);
  if (!marked) await assertNoDanglingLink(directory, "the directory of the store");
  // LevelDB's root file. Without it LevelDB would begin an empty database and delete the tables of the old one.
  const hasDatabase = await exists(join(directory, "CURRENT"));
  if (marked && !hasDatabase) throw dataLoss("the database of the store is missing its CURRENT file");
  if (!marked && hasDatabase) throw dataLoss("the store is missing its marker file");
  return marked;
}

/**
 * Creates a store; does nothing if another process is faster. `initialize` makes the database in the given directory.
 */
export async function createStoreDirectory(
  path: string,
  storeId: string,
  initialize: (directory: string) => Promise<void>,
): Promise<void> {
  const draft = join(path, `${CREATING}${storeId}-${randomUUID()}`);
  try {
    await mkdir(draft, { mode: PRIVATE_FOLDER });
    await writeMarker(draft, storeId);
    await initialize(draft);
    await syncDirectory(draft);
    await rename(draft, storeDirectory(path, storeId));
  } catch (error) {
    // The failure matters more than the remains, which a later sweep removes.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    if (!(isOccupied(error) && (await storeExists(path, storeId)))) throw error;
  }
  await syncDirectory(path);
}

/** Deletes a closed store. After the rename the store is gone, even after a crash. Its files may be removed later. */
export async function dropStoreDirectory(path: string, storeId: string): Promise<void> {
  const remains = join(path, `${DROPPED}${storeId}-${randomUUID()}`);
  await rename(storeDirectory(path, storeId), remains);
  await syncDirectory(path);
  await rm(remains, { recursive: true, force: true }).catch(() => undefined);
}

/** Names in the folder that can be stores, in no order. */
export async function namesOfStores(path: string): Promise<string[]> {
  return (await namesIn(path)).filter(isStoreId);
}

/** Resolves with true if there is a store, whole or damaged. Opening a damaged store reports the damage. */
export async function isStore(path: string, storeId: string): Promise<boolean> {
  const directory = storeDirectory(path, storeId);
  for (const file of [MARKER_NAME, "CURRENT"]) {
    if (await exists(join(directory, file))) return true;
  }
  try {
    const found = await lstat(directory);
    return found.isSymbolicLink() && !(await exists(directory));
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Removes the remains of crashes. Remains that cannot be removed stay, and do no harm.
 *
 * @returns true if all remains are gone
 */
export async function sweepRemains(path: string): Promise<boolean> {
  let complete = true;
  for (const name of await namesIn(path)) {
    const remains = join(path, name);
    const temporary = name.startsWith(CREATING) || name.startsWith(PROBE_PREFIX);
    if (name.startsWith(DROPPED) || (temporary && (await isAbandoned(remains)))) {
      await rm(remains, { recursive: true, force: true }).catch(() => {
        complete = false;
      });
    }
  }
  return complete;
}

async function isAbandoned(directory: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(directory)).mtimeMs > ABANDONED_AFTER_MILLIS;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    // A file of that name is no store.
    if (isMissing(error) || isInFile(error)) return false;
    throw error;
  }
}
