import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { dataLoss, storageUnavailable } from "../../errors.ts";
import { storageError } from "../abstract-level/storage-error.ts";
import { writeDurably } from "./durable-files.ts";
import { isMissing } from "./file-error.ts";

/**
 * The file that makes a directory a store. Streamkit writes the marker before the database, and gives the directory its
 * final name only after both are complete (store-directory.ts). So a directory with a marker had a database. If the
 * database is gone, it is lost, and Streamkit must not make a new one.
 */
export const MARKER_NAME = "STREAMKIT.json";
const FORMAT = "streamkit-level";
const VERSION = 1;

export async function writeMarker(directory: string, storeId: string): Promise<void> {
  await writeDurably(
    join(directory, MARKER_NAME),
    `${JSON.stringify({ format: FORMAT, version: VERSION, storeId })}\n`,
  );
}

/**
 * Resolves with true if the directory is marked as this store.
 *
 * @throws DATA_LOSS if the marker is damaged or names another store
 * @throws STORAGE_UNAVAILABLE if a newer Streamkit wrote the marker
 */
export async function isMarked(directory: string, storeId: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(join(directory, MARKER_NAME), "utf8");
  } catch (error) {
    if (isMissing(error)) return false;
    throw storageError(error);
  }
  const marker = parse(text);
  if (marker.version !== VERSION) {
    throw storageUnavailable(
      `the store has format version ${String(marker.version)}; this version of Streamkit reads version ${VERSION}`,
    );
  }
  if (marker.storeId !== storeId) throw dataLoss("the directory of the store holds another store");
  return true;
}

function parse(text: string): Record<string, unknown> {
  let marker: unknown;
  try {
    marker = JSON.parse(text);
  } catch (error) {
    throw dataLoss("the marker of the store is damaged", error);
  }
  if (typeof marker !== "object" || marker === null || !("format" in marker) || marker.format !== FORMAT) {
    throw dataLoss("the marker of the store is damaged");
  }
  return { ...marker };
}
