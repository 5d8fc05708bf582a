import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrorReason } from "@streamkit/protocol";
import { CursorRecordSchema } from "@streamkit/protocol/storage";
import { invalidField, ServerError } from "../../errors.ts";
import type { Row } from "../../storage/port.ts";
import type { Listed } from "../names.ts";
import { random64 } from "../random64.ts";
import { decodeWith, frameRow } from "../rows/row-frame.ts";
import { rowsAtOnce } from "../rows/rows-at-once.ts";
import { CURSORS, cursorKeys } from "./key-space.ts";
import type { CoordinationOptions } from "./leases.ts";
import { Records } from "./records.ts";

/** Most spaces with an offset in one cursor. */
const MAX_SPACES = 1_024;

/** The progress of a consumer. */
export interface Cursor {
  readonly name: string;
  /** Space -> offset of the last handled entry. */
  readonly offsets: Readonly<Record<string, bigint>>;
  readonly version: bigint;
  /** Microseconds since 1970. */
  readonly updateTimeMicros: number;
  /** Principal that the cursor is bound to; "" for none. */
  readonly owner: string;
}

interface CursorRecord extends Omit<Cursor, "name"> {
  readonly deleted: boolean;
}

/** The cursors of a store. Each is one row. Every change replaces the row on the condition that no other change did. */
export class Cursors {
  readonly #options: CoordinationOptions;
  readonly #records: Records;

  constructor(options: CoordinationOptions) {
    this.#options = options;
    this.#records = new Records(options.store, options.shared, CURSORS);
  }

  /** @throws ServerError NOT_FOUND for a cursor that was never committed, or was deleted */
  async get(name: string): Promise<Cursor> {
    const row = await this.#options.store.get(CURSORS, cursorKeys.key(name));
    const record = row && decode(row, name);
    if (record === undefined || record.deleted) {
      throw new ServerError(ErrorReason.NOT_FOUND, `there is no cursor "${name}"`);
    }
    return toCursor(name, record);
  }

  /**
   * Sets the offsets of some spaces, and keeps the others.
   *
   * @param expectedVersion 0 for "the cursor does not exist"; `undefined` for any version
   * @param owner principal that a new cursor is bound to; "" for none
   * @throws ServerError CURSOR_CONFLICT for another version; INVALID_FIELD if the cursor would have too many spaces;
   * PERMISSION_DENIED if the cursor is bound to another principal
   */
  commit(
    name: string,
    offsets: Readonly<Record<string, bigint>>,
    expectedVersion: bigint | undefined,
    owner = "",
  ): Promise<Cursor> {
    return this.#records.change(cursorKeys.key(name), (row) => {
      const before = row && decode(row, name);
      checkOwner(name, before, owner);
      const version = before === undefined || before.deleted ? 0n : before.version;
      if (expectedVersion !== undefined && expectedVersion !== version) {
        throw new ServerError(
          ErrorReason.CURSOR_CONFLICT,
          `cursor "${name}" has version ${version}; ${expectedVersion} was expected: read the cursor again`,
        );
      }
      const merged = before === undefined || before.deleted ? { ...offsets } : { ...before.offsets, ...offsets };
      const spaces = Object.keys(merged).length;
      if (spaces > MAX_SPACES) {
        throw invalidField("offsets", `would make ${spaces} spaces in one cursor; expected at most ${MAX_SPACES}`);
      }
      const record: CursorRecord = {
        offsets: merged,
        // The version keeps rising after a deletion, so that an expectation from before the deletion never holds again.
        version: (before?.version ?? 0n) + 1n,
        updateTimeMicros: this.#options.clock(),
        deleted: false,
        owner: before === undefined || before.deleted ? owner : before.owner,
      };
      return { value: encode(record), result: toCursor(name, record) };
    });
  }

  /**
   * Sets a cursor to the state that it had in another store. A cursor with the same or a later version stays.
   *
   * @returns true if the cursor was set
   */
  restore({ name, offsets, version, updateTimeMicros, owner }: Cursor): Promise<boolean> {
    return this.#records.change(cursorKeys.key(name), (row) => {
      const before = row && decode(row, name);
      if (before !== undefined && before.version >= version) return { result: false };
      return { value: encode({ offsets, version, updateTimeMicros, owner, deleted: false }), result: true };
    });
  }

  /** Cursors by name, in byte order. A deleted cursor has an entry without an item. */
  async *list(prefix: string, after: string, atOnce: number): AsyncGenerator<Listed<Cursor>, void, undefined> {
    for await (const rows of rowsAtOnce(this.#options.store, CURSORS, cursorKeys.range(prefix, after), atOnce)) {
      for (const row of rows) {
        const name = cursorKeys.name(row.key);
        const record = decode(row, name);
        yield { name, item: record.deleted ? undefined : toCursor(name, record) };
      }
    }
  }

  /**
   * Deletes a cursor; does nothing if it does not exist.
   *
   * @throws ServerError PERMISSION_DENIED if the cursor is bound to a principal other than `owner`
   */
  async delete(name: string, owner = ""): Promise<void> {
    await this.#records.change<void>(cursorKeys.key(name), (row) => {
      const before = row && decode(row, name);
      checkOwner(name, before, owner);
      if (before === undefined || before.deleted) return { result: undefined };
      const record = { ...before, offsets: {}, version: before.version + 1n, deleted: true };
      return { value: encode(record), result: undefined };
    });
  }
}

function checkOwner(name: string, before: CursorRecord | undefined, owner: string): void {
  if (before === undefined || before.deleted || before.owner === "" || before.owner === owner) return;
  const message = `cursor "${name}" is bound to another principal; use another name`;
  throw new ServerError(ErrorReason.PERMISSION_DENIED, message);
}

function toCursor(name: string, { offsets, version, updateTimeMicros, owner }: CursorRecord): Cursor {
  return { name, offsets, version, updateTimeMicros, owner };
}

function encode(record: CursorRecord): Uint8Array[] {
  const { offsets, version, deleted, owner } = record;
  const updateTime = BigInt(record.updateTimeMicros);
  const mark = random64();
  const message = create(CursorRecordSchema, { offsets: { ...offsets }, version, updateTime, deleted, mark, owner });
  return frameRow([toBinary(CursorRecordSchema, message)]);
}

function decode({ value }: Row, name: string): CursorRecord {
  const message = decodeWith(value, `cursor "${name}"`, (bytes) => fromBinary(CursorRecordSchema, bytes));
  const { offsets, version, deleted, owner } = message;
  return { offsets, version, updateTimeMicros: Number(message.updateTime), deleted, owner };
}
