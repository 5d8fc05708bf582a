/**
 * Reads the numbers of logs and tables from a LevelDB manifest: a sequence of edits, in which the last mention of a
 * number counts.
 */
import { dataLoss } from "../../errors.ts";
import { logItems } from "./log-records.ts";

export interface ManifestState {
  /** Logs with smaller numbers are obsolete; the log with this number exists. 0 in a database that was never opened. */
  readonly logNumber: number;
  /** Number of the last write when the manifest was written; the first record of the logs begins at most one later. */
  readonly lastSequence: number;
  /** Numbers of the tables that hold the data. */
  readonly tables: ReadonlySet<number>;
}

/** The tags of an edit. A field of an edit is a tag and its value. */
const tags = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
} as const;

/** @throws DATA_LOSS if the manifest is damaged */
export function readManifest(file: Uint8Array): ManifestState {
  const state = { logNumber: 0, lastSequence: 0, tables: new Set<number>() };
  let damaged = false;
  for (const item of logItems(file)) {
    // LevelDB syncs a manifest before it relies on the content, so only the last record can be torn.
    if (damaged && item.kind === "record") throw dataLoss("the manifest of the database is damaged");
    if (item.kind === "damage") damaged = true;
    else apply(new EditReader(item.data), state);
  }
  return state;
}

function apply(edit: EditReader, state: { logNumber: number; lastSequence: number; tables: Set<number> }): void {
  // An edit removes tables before it adds tables: the same table may move to another level.
  const added: number[] = [];
  while (edit.hasMore()) {
    switch (edit.varint()) {
      case tags.comparator:
        edit.skipBytes();
        break;
      case tags.logNumber:
        state.logNumber = edit.varint();
        break;
      case tags.lastSequence:
        state.lastSequence = edit.varint();
        break;
      case tags.nextFileNumber:
      case tags.previousLogNumber:
        edit.varint();
        break;
      case tags.compactPointer:
        edit.varint();
        edit.skipBytes();
        break;
      case tags.deletedFile:
        edit.varint();
        state.tables.delete(edit.varint());
        break;
      case tags.newFile:
        edit.varint();
        added.push(edit.varint());
        edit.varint();
        edit.skipBytes();
        edit.skipBytes();
        break;
      default:
        throw dataLoss("the manifest of the database holds an unknown edit");
    }
  }
  for (const table of added) state.tables.add(table);
}

class EditReader {
  readonly #data: Uint8Array;
  #position = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  hasMore(): boolean {
    return this.#position < this.#data.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#data[this.#position++];
      if (byte === undefined) throw dataLoss("the manifest of the database holds an edit that is too short");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  skipBytes(): void {
    const length = this.varint();
    this.#position += length;
  }
}
