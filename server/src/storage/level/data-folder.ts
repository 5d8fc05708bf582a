/**
 * The folder that holds the stores. A marker with a random id identifies it, because another folder may come to lie at
 * the same path: the empty mount point of a volume that went away, or a folder that an operator made anew.
 *
 *   <path>/STREAMKIT-FOLDER.json    {"format": "streamkit-level-folder", "version": 1, "id": "<uuid>"}
 */
import { randomUUID } from "node:crypto";
import { link, lstat, open, readdir, readFile, readlink, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ServerError, StorageUnusableError } from "../../errors.ts";
import { storageError } from "../abstract-level/storage-error.ts";
import { isStoreId } from "../abstract-level/store-id.ts";
import { isDiskFull, systemCode, systemProblem } from "../system-error.ts";
import { makeDirectory, PRIVATE_FILE, syncDirectory, writeDurably } from "./durable-files.ts";
import { isMissing, isOccupied } from "./file-error.ts";

const FOLDER_MARKER_NAME = "STREAMKIT-FOLDER.json";
/** Starts the names of the temporary files in the folder. A crash may leave such files. */
export const PROBE_PREFIX = ".probe-";
const FORMAT = "streamkit-level-folder";

export interface DataFolderOptions {
  /** Refuse a folder that holds no data. */
  readonly requireData: boolean;
}

export class DataFolder {
  readonly path: string;
  readonly #requireData: boolean;
  /** The id of the folder that this process uses. */
  #id: string | undefined;

  constructor(path: string, { requireData }: DataFolderOptions) {
    this.path = path;
    this.#requireData = requireData;
  }

  /**
   * Checks that the folder is the folder that this process used before. The folder may be missing as long as this
   * process has used none.
   *
   * @throws StorageUnusableError
   */
  async check(): Promise<void> {
    const id = await this.#read();
    if (this.#id === undefined) {
      if (id === undefined) await this.#checkUnmarked();
      this.#id = id;
    } else if (id !== this.#id) {
      throw new StorageUnusableError(
        "the data folder is not the folder that the server started with: it was removed, replaced or unmounted; put it back, or restart the server",
        new Error(`${join(this.path, FOLDER_MARKER_NAME)} ${id === undefined ? "is missing" : "has another id"}`),
      );
    }
  }

  /** Makes the folder and its marker if they are missing. */
  async prepare(): Promise<void> {
    await this.check();
    if (this.#id !== undefined) return;
    await makeDirectory(this.path);
    const draft = join(this.path, `${PROBE_PREFIX}${randomUUID()}`);
    try {
      await writeDurably(draft, `${JSON.stringify({ format: FORMAT, version: 1, id: randomUUID() })}\n`);
      // Another process may do the same. The first link wins, and both processes read its content.
      await link(draft, join(this.path, FOLDER_MARKER_NAME)).catch(async (error) => {
        if (isOccupied(error)) return;
        // The file system has no hard links.
        await rename(draft, join(this.path, FOLDER_MARKER_NAME));
      });
    } finally {
      await rm(draft, { force: true });
    }
    await syncDirectory(this.path);
    this.#id = await this.#read();
  }

  /**
   * Writes, syncs, reads and removes a file, if the folder has a marker.
   *
   * @throws StorageUnusableError
   * @throws DISK_FULL
   */
  async probe({ create }: { create: boolean }): Promise<void> {
    try {
      await (create ? this.prepare() : this.check());
      if (this.#id === undefined) return;
      const path = join(this.path, `${PROBE_PREFIX}${randomUUID()}`);
      try {
        const file = await open(path, "wx+", PRIVATE_FILE);
        try {
          await file.write("probe");
          await file.sync();
          await file.read(Buffer.alloc(5), 0, 5, 0);
        } finally {
          await file.close();
        }
      } finally {
        await rm(path, { force: true });
      }
    } catch (error) {
      throw folderError(error);
    }
  }

  async #read(): Promise<string | undefined> {
    let text: string;
    try {
      text = await readFile(join(this.path, FOLDER_MARKER_NAME), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw folderError(error);
    }
    const marker = parse(text);
    if (marker?.format !== FORMAT || typeof marker.id !== "string" || marker.version !== 1) {
      throw new StorageUnusableError(
        "the marker of the data folder is damaged, or a newer version of Streamkit wrote it",
        new Error(`${join(this.path, FOLDER_MARKER_NAME)} holds ${JSON.stringify(text.slice(0, 200))}`),
      );
    }
    return marker.id;
  }

  /**
   * Checks a path without a marker. A new or missing folder is in order; a file or a dangling link is not.
   *
   * @throws StorageUnusableError
   */
  async #checkUnmarked(): Promise<void> {
    await assertNoDanglingLink(this.path, "the data folder");
    const found = await stat(this.path).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (found !== undefined && !found.isDirectory()) {
      const cause = new Error(`ENOTDIR: ${this.path} is not a folder`);
      throw new StorageUnusableError("the path of the data folder is a file", cause);
    }
    if (!this.#requireData) return;
    const names = found === undefined ? [] : await readdir(this.path);
    if (!names.some(isStoreId)) {
      throw new StorageUnusableError(
        "the data folder holds no data, and data is required: is its volume mounted?",
        new Error(`${this.path} has no ${FOLDER_MARKER_NAME}`),
      );
    }
  }
}

/**
 * @throws StorageUnusableError if the path is a link whose target is missing, which is a fault and not a missing folder
 */
export async function assertNoDanglingLink(path: string, what: string): Promise<void> {
  const found = await lstat(path).catch((error) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found?.isSymbolicLink() !== true) return;
  const target = await stat(path).catch(() => undefined);
  if (target !== undefined) return;
  const cause = new Error(`ENOENT: ${path} is a link to ${await readlink(path)}, which does not exist`);
  throw new StorageUnusableError(`${what} is a link that leads nowhere`, cause);
}

/** Failures by load or by a full disk pass. All others need an operator. */
function folderError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  const code = systemCode(error);
  if (code === "EMFILE" || code === "ENFILE" || isDiskFull(error)) return storageError(error);
  return new StorageUnusableError(
    `the data folder cannot be used: ${systemProblem(error) ?? "a file operation failed"}`,
    error,
  );
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
