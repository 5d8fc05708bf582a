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

/** The durable position of a consumer. */
export interface Cursor {
  readonly name: string;
  /** Space -> offset of the last handled entry. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Rises with each commit. Pass it as `expectedVersion`. */
  readonly version: number;
  /** Time of the last commit, on the server's clock. */
  readonly updateTime: Date;
}

/** Options of a commit. */
export interface CursorCommitOptions {
  /**
   * Version that the cursor must have; 0 for a cursor that must not exist. The commit fails with `CURSOR_CONFLICT`
   * otherwise. Default: no condition.
   */
  readonly expectedVersion?: Position;
  /** Ends the call with `CANCELED`. The outcome of the commit is then unknown. */
  readonly signal?: AbortSignal;
}

const COMMIT_OPTIONS = { expectedVersion: position, signal };

/** Single calls on the cursors of a store. See also `StoreHandle.consumer`. */
export class Cursors {
  readonly #context: ClientContext;
  readonly #storeId: string;

  /** @internal Made by `StoreHandle`. */
  constructor(context: ClientContext, storeId: string) {
    this.#context = context;
    this.#storeId = storeId;
  }

  /** Reads a cursor; `undefined` if it was never committed, or was deleted. */
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
   * Sets the offsets of some spaces; other spaces keep theirs. The client retries by itself. A retry succeeds if it
   * finds that its earlier attempt was committed.
   *
   * @throws StreamkitError CURSOR_CONFLICT if the cursor does not have `expectedVersion`
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
        // A server does nothing for a call with a bad token, or without one.
        unsure ||= error.retryable && error.code !== "unauthenticated";
        await attempts.again(error, signal);
      }
    }
  }

  /** Lists the cursors, by name in byte order. */
  list(options: ListOptions = {}): Listing<Cursor> {
    checkOptions("cursors.list", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.#storeId, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, CursorService.method.listCursors, request, options.signal);
      return { items: response.cursors.map(toCursor), nextPageToken: response.nextPageToken };
    });
  }

  /** Deletes a cursor. Succeeds also if the cursor does not exist. */
  async delete(name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkArgument("cursors.delete", "name", name, text);
    checkOptions("cursors.delete", options, CALL_OPTIONS);
    await call(this.#context, CursorService.method.deleteCursor, { storeId: this.#storeId, name }, options.signal);
  }
}

/**
 * True if a cursor looks like the result of this commit, whose answer may have been lost. The commit of another process
 * with the same offsets on the same version looks the same.
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
