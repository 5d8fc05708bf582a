import { CursorService, type Cursor as WireCursor } from "@streamkit/protocol";
import { type ClientContext, call } from "../context.ts";
import { StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { type Listing, type ListOptions, listing } from "../listing.ts";
import {
  CALL_OPTIONS,
  checkArgument,
  checkOptions,
  LIST_OPTIONS,
  position,
  positionsBySpace,
  signal,
  text,
} from "../options.ts";
import { type Position, toWirePosition } from "../position.ts";
import { Attempts } from "../retry/retry.ts";
import { timestampDate } from "../time.ts";
import { callUnary } from "../transport/call.ts";

/** How far a consumer has come, durably. */
export interface Cursor {
  readonly name: string;
  /** Space -> offset of the last entry that was handled. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Rises with each commit; for `expectedVersion`. */
  readonly version: number;
  /** When it was committed last, on the server's clock. */
  readonly updateTime: Date;
}

/** What a commit may say. */
export interface CursorCommitOptions {
  /** The cursor must have this version, or the commit fails with `CURSOR_CONFLICT`. 0: it must not exist. */
  readonly expectedVersion?: Position;
  readonly signal?: AbortSignal;
}

const COMMIT_OPTIONS = { expectedVersion: position, signal };

/** The cursors of a store. */
export class Cursors {
  readonly #context: ClientContext;
  readonly #storeId: string;

  /** @internal Made by `StoreHandle`. */
  constructor(context: ClientContext, storeId: string) {
    this.#context = context;
    this.#storeId = storeId;
  }

  /** A cursor; `undefined` for one that was never committed, or was deleted. */
  async get(name: string, options: { signal?: AbortSignal } = {}): Promise<Cursor | undefined> {
    checkArgument("cursors.get", "name", name, text);
    checkOptions("cursors.get", options, CALL_OPTIONS);
    try {
      const request = { storeId: this.#storeId, name };
      return toCursor((await call(this.#context, CursorService.method.getCursor, request, options.signal)).cursor);
    } catch (error) {
      if (error instanceof StreamkitError && error.reason === "NOT_FOUND") return undefined;
      throw error;
    }
  }

  /**
   * Sets the offsets of some spaces; those not named stay. Throws `CURSOR_CONFLICT` when `expectedVersion` does not
   * hold. Retried by itself; a retry that finds its own first attempt succeeds.
   */
  async commit(
    name: string,
    offsets: ReadonlyMap<string, Position> | Readonly<Record<string, Position>>,
    options: CursorCommitOptions = {},
  ): Promise<Cursor> {
    checkArgument("cursors.commit", "name", name, text);
    checkArgument("cursors.commit", "offsets", offsets, positionsBySpace(Number.MAX_SAFE_INTEGER));
    checkOptions("cursors.commit", options, COMMIT_OPTIONS);
    const { signal } = options;
    const entries = offsets instanceof Map ? [...offsets] : Object.entries(offsets);
    const wire = Object.fromEntries(entries.map(([space, at]) => [space, toWirePosition(`offsets["${space}"]`, at)]));
    const expectedVersion =
      options.expectedVersion === undefined ? undefined : toWirePosition("expectedVersion", options.expectedVersion);
    const request = {
      storeId: this.#storeId,
      name,
      offsets: wire,
      ...(expectedVersion !== undefined && { expectedVersion }),
    };
    const attempts = new Attempts(this.#context);
    for (let unsure = false; ; ) {
      try {
        signal?.throwIfAborted();
        return toCursor((await callUnary(this.#context, CursorService.method.commitCursor, request, signal)).cursor);
      } catch (thrown) {
        const error = toStreamkitError(thrown, signal);
        if (unsure && error.reason === "CURSOR_CONFLICT") {
          const own = await this.get(name, signal && { signal });
          if (own !== undefined && isOwn(own, wire, expectedVersion)) return own;
        }
        unsure ||= error.retryable;
        await attempts.again(error, signal);
      }
    }
  }

  /** Cursors by name, in byte order. */
  list(options: ListOptions = {}): Listing<Cursor> {
    checkOptions("cursors.list", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.#storeId, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, CursorService.method.listCursors, request, options.signal);
      return { items: response.cursors.map(toCursor), nextPageToken: response.nextPageToken };
    });
  }

  /** Forgets a cursor. Deleting what does not exist succeeds. */
  async delete(name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkArgument("cursors.delete", "name", name, text);
    checkOptions("cursors.delete", options, CALL_OPTIONS);
    await call(this.#context, CursorService.method.deleteCursor, { storeId: this.#storeId, name }, options.signal);
  }
}

/**
 * True for what a commit leaves behind that succeeded though its answer was lost. A cursor does not say who committed
 * it: one of somebody else with the same offsets on the same version looks the same.
 */
function isOwn(found: Cursor, offsets: Record<string, bigint>, expectedVersion: bigint | undefined): boolean {
  if (expectedVersion !== undefined && expectedVersion > 0n && BigInt(found.version) !== expectedVersion + 1n)
    return false;
  return Object.entries(offsets).every(([space, offset]) => BigInt(found.offsets.get(space) ?? -1) === offset);
}

function toCursor(cursor: WireCursor | undefined): Cursor {
  return {
    name: cursor?.name ?? "",
    offsets: new Map(Object.entries(cursor?.offsets ?? {}).map(([space, offset]) => [space, Number(offset)])),
    version: Number(cursor?.version ?? 0n),
    updateTime: cursor?.updateTime === undefined ? new Date(0) : timestampDate(cursor.updateTime),
  };
}
