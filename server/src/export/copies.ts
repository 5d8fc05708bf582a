import { checkUuid } from "../engine/names.ts";
import type { OpenStores, StoreHold } from "../engine/open-stores.ts";
import { type ExportOptions, exportStore } from "./export-store.ts";
import { type ImportOptions, type ImportResult, importStore } from "./import-store.ts";
import { importLines, type LineOptions } from "./text/import-lines.ts";

/** Exact copies of stores, as bytes of one file. docs/export.md describes the file. */
export interface Copies {
  /**
   * Exports a store while it is in use. Yields the bytes of a file that `importStore` of any server reads, with any
   * storage; a file without its last bytes is refused as incomplete. Holds about one chunk of 1 MiB in memory.
   *
   * @param storeId a UUID
   * @param options `signal` ends the export with its reason
   * @throws ServerError NOT_FOUND if the store, the space or the segment does not exist; INVALID_FIELD for an id
   * that is no UUID; DATA_LOSS if stored data is damaged; SEQUENCE_MISMATCH if the store does not continue from `since`
   */
  exportStore(storeId: string, options?: ExportOptions & { readonly signal?: AbortSignal }): AsyncIterable<Uint8Array>;
  /**
   * Writes the file of an export into a store, with all positions, times and ids. A store that has a part of the file
   * gets the rest: an import that ended early continues, and a second import writes nothing. Nothing else may write to
   * the imported spaces meanwhile. `verifyExport` checks a file without writing anything.
   *
   * @param source the bytes of the file, in pieces of any size
   * @param options `storeId` names the store to write; default: the id that the exported store had
   * @throws ExportFileError for a file that is damaged, cut or foreign; it writes whole transactions before that place
   * @throws ServerError SEQUENCE_MISMATCH if the store has other entries; the failures of appends
   */
  importStore(
    source: AsyncIterable<Uint8Array>,
    options?: ImportOptions & { readonly storeId?: string },
  ): Promise<ImportResult>;
  /**
   * Appends lines of JSON as new entries, with new positions and times. docs/export.md describes the lines.
   *
   * @param storeId a UUID
   * @returns the number of appended lines
   * @throws LineError or TextError for a line that cannot be appended; earlier transactions are committed
   */
  importLines(storeId: string, source: AsyncIterable<Uint8Array>, options?: LineOptions): Promise<number>;
}

/** Makes copies of the stores of one server. */
export function createCopies(openStores: OpenStores): Copies {
  return {
    async *exportStore(storeId, options = {}) {
      using hold = await openStores.acquire(checkUuid(storeId, "store_id"));
      const { ended } = hold.store;
      const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
      yield* exportStore(hold.store, options, signal);
    },
    async importStore(source, options = {}) {
      let hold: StoreHold | undefined;
      const openStore = async (origin: { readonly storeId: string }) => {
        hold = await openStores.acquire(checkUuid(options.storeId ?? origin.storeId, "store_id"));
        return hold.store;
      };
      try {
        return await importStore(source, openStore, options);
      } finally {
        hold?.[Symbol.dispose]();
      }
    },
    async importLines(storeId, source, options = {}) {
      using hold = await openStores.acquire(checkUuid(storeId, "store_id"));
      return await importLines(source, hold.store, options);
    },
  };
}
