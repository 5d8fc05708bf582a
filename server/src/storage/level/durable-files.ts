/**
 * File operations that survive a power loss: an fsync of the file keeps its content, an fsync of the directory its
 * name.
 */
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing, isOccupied } from "./file-error.ts";

/** Modes of new files and folders: only the user of the server has access. Existing folders keep their mode. */
export const PRIVATE_FOLDER = 0o700;
export const PRIVATE_FILE = 0o600;

/** Writes a new file. Its name is durable after `syncDirectory`. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", PRIVATE_FILE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open directories, and journals names by itself.
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Makes a directory and its missing parents, one by one: the recursive mkdir of Node reports ENOENT instead of EROFS.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: PRIVATE_FOLDER });
  } catch (error) {
    if (isOccupied(error)) return;
    const above = dirname(path);
    if (!isMissing(error) || above === path) throw error;
    await makeDirectory(above);
    await mkdir(path, { mode: PRIVATE_FOLDER }).catch((again) => {
      if (!isOccupied(again)) throw again;
    });
  }
  await syncDirectory(dirname(path));
}
