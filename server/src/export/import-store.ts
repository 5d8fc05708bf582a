import { CopyWriter } from "../engine/copy/write-copy.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { SpaceLog } from "../engine/space/space-log.ts";
import { ImportConflictError } from "../errors.ts";
import { ExportFileError } from "./export-file-error.ts";
import type { ExportItem, ExportOrigin, ExportTotals } from "./export-item.ts";
import { readExport } from "./read-export.ts";
import type { FileProgress } from "./verify-export.ts";

export interface ImportOptions {
  /** True to set the cursors that the file has. Default: false. */
  readonly cursors?: boolean | undefined;
  /** Called after each chunk with the totals so far. */
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
}

/** The outcome of an import. */
export interface ImportResult {
  readonly origin: ExportOrigin;
  readonly totals: ExportTotals;
  /** Entries that the import wrote; the store had the others of the file before. */
  readonly written: number;
  /** Cursors that the import set. */
  readonly cursors: number;
}

/**
 * Writes the content of a file into a store, with all sequences, offsets, times, ids and numbers. Spaces of the file
 * must be empty in the store, or begin with the same history; entries that the store has already are compared. So an
 * import that ended early continues when it runs again, and a second import writes nothing. Holds about two chunks in
 * memory.
 *
 * @param openStore opens the store to write to
 * @throws ExportFileError for a file that cannot be read; the whole transactions before the place are written
 * @throws ImportConflictError if the store has other entries
 * @throws ServerError of the storage
 */
export async function importStore(
  source: AsyncIterable<Uint8Array>,
  openStore: (origin: ExportOrigin) => Promise<OpenStore>,
  options: ImportOptions = {},
): Promise<ImportResult> {
  const importing = new Import(openStore, options);
  let last: ExportItem | undefined;
  try {
    for await (const item of readExport(source)) {
      last = item;
      const result = await importing.next(item);
      if (result !== undefined) return result;
    }
  } catch (error) {
    if (error instanceof ImportConflictError && last !== undefined) {
      throw new ImportConflictError(`${error.message} (chunk ${last.chunk} of the file, at byte ${last.at})`);
    }
    throw error;
  } finally {
    await importing.close();
  }
  throw new ExportFileError("cut", last ?? { chunk: 0, at: 0 }, "the file ends before its footer");
}

class Import {
  readonly #openStore: (origin: ExportOrigin) => Promise<OpenStore>;
  readonly #options: ImportOptions;
  #origin: ExportOrigin | undefined;
  #store: OpenStore | undefined;
  #space: { readonly log: SpaceLog; readonly writer: CopyWriter } | undefined;
  #name = "";
  #entries = 0;
  #written = 0;
  #cursors = 0;

  constructor(openStore: (origin: ExportOrigin) => Promise<OpenStore>, options: ImportOptions) {
    this.#openStore = openStore;
    this.#options = options;
  }

  /** @returns the result after the last item */
  async next(item: ExportItem): Promise<ImportResult | undefined> {
    const store = this.#store;
    const writer = this.#space?.writer;
    if (item.kind === "header") {
      this.#origin = item.origin;
      this.#store = await this.#openStore(item.origin);
    } else if (item.kind === "cursors" && store !== undefined) {
      for (const cursor of this.#options.cursors === true ? item.cursors : []) {
        if (await store.write(() => store.cursors.restore(cursor))) this.#cursors++;
      }
    } else if (item.kind === "space" && store !== undefined) {
      const log = store.space(item.space);
      this.#name = item.space;
      this.#space = { log, writer: await CopyWriter.begin(log, item.facts, (change) => store.write(change)) };
    } else if (item.kind === "segments") {
      await writer?.segments(item.segments);
    } else if (item.kind === "entries") {
      await writer?.entries(item.batches);
      for (const batch of item.batches) this.#entries += batch.count;
    } else if (item.kind === "transactions") {
      await writer?.transactions(item.transactions);
    } else if (item.kind === "space-end") {
      await writer?.end(item.deletedOffset);
      await this.#endSpace();
    } else if (item.kind === "footer" && this.#origin !== undefined) {
      return { origin: this.#origin, totals: item.totals, written: this.#written, cursors: this.#cursors };
    }
    this.#options.onProgress?.({ space: this.#name, entries: this.#entries, bytes: item.at });
    return undefined;
  }

  async close(): Promise<void> {
    await this.#endSpace();
  }

  async #endSpace(): Promise<void> {
    const space = this.#space;
    if (space === undefined) return;
    this.#space = undefined;
    this.#written += space.writer.written;
    await space.writer.close();
    // Entries that the file says are removed leave rows behind.
    this.#store?.reclaim(space.log);
  }
}
