import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Stands for the standard input or output. */
export const STANDARD = "-";

/** A file that does not exist, or that this user cannot read. */
export class UnreadableFileError extends Error {}

/** Bytes that a file is read in. */
const READ_BYTES = 1024 * 1024;

/** Reads a file, or the standard input. */
export async function* readBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* path === STANDARD ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UnreadableFileError(`${path} cannot be read: ${message}`, { cause: error });
  }
}

/**
 * Writes a file under another name, and gives it its own name once it is complete and synced. An earlier file of this
 * name stays until then. A failure leaves nothing behind.
 */
export async function writeFileWhole(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${path}.partial`;
  const file = await open(partial, "w");
  try {
    for await (const piece of bytes) await file.writeFile(piece);
    await file.sync();
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
  const folder = await open(dirname(path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Writes to the standard output, at the pace of its reader. */
export async function writeOut(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of bytes) {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  }
}
