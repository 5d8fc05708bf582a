import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** f_type of file systems in memory: tmpfs and ramfs. An fsync costs nothing there. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6]);

/** Makes an empty folder on a real disk, below `parent` or the system's folder for temporary files. */
export async function makeDataFolder(parent: string = tmpdir()): Promise<string> {
  const { type } = await statfs(parent);
  if (IN_MEMORY.has(type)) throw new Error(`${parent} is not on a disk; choose another place with --data`);
  return mkdtemp(join(parent, "streamkit-bench-"));
}

/** Removes the folder with everything in it. */
export async function removeDataFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
