/** File operations that outlive a power loss: the content by fsync of the file, its name by fsync of the directory. */
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing, isOccupied } from "./file-error.ts";

/** Modes of what is made: nobody but the user of the server looks into it. Folders that exist keep theirs. */
export const privateFolder = 0o700;
export const privateFile = 0o600;

/** Writes a new file. Its name is durable after `syncDirectory`. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", privateFile);
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
 * Makes a directory and what is missing above it. Step by step: the recursive mkdir of Node reports ENOENT for what is
 * EROFS.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: privateFolder });
  } catch (error) {
    if (isOccupied(error)) return;
    const above = dirname(path);
    if (!isMissing(error) || above === path) throw error;
    await makeDirectory(above);
    await mkdir(path, { mode: privateFolder }).catch((again) => {
      if (!isOccupied(again)) throw again;
    });
  }
  await syncDirectory(dirname(path));
}
