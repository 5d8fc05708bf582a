import { ErrorReason } from "@streamkit/protocol";
import { checkUuid } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { OpenStores, StoreHold } from "../engine/open-stores.ts";
import { NoRoomError, ServerError, StoreClosedError, StoreDeletedError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { StorageHealth } from "../health.ts";

/** The parts of a server that the routes of all services use. */
export interface RouteContext {
  readonly openStores: OpenStores;
  /** False for a local storage, which stops after a failed write. Its store must then be opened again. */
  readonly shared: boolean;
  /** Receives failures of storage with their store. */
  readonly events: Events;
  /** Receives the outcome of each call. */
  readonly health: StorageHealth;
}

/** Gives routes access to stores. A store stays open while a call or stream uses it. */
export class Stores {
  readonly #context: RouteContext;

  constructor(context: RouteContext) {
    this.#context = context;
  }

  /**
   * Runs one call on a store. If another instance has deleted the open store, runs the call a second time.
   *
   * @throws ServerError of the action; INVALID_FIELD if `storeId` is not a UUID
   */
  async call<T>(storeId: string, action: (store: OpenStore) => Promise<T>): Promise<T> {
    const id = checkUuid(storeId, "store_id");
    try {
      return await this.#callOnce(id, action);
    } catch (error) {
      if (!(error instanceof StoreDeletedError)) throw error;
      // The deleted store took no writes. `#failureOf` closed it here, so the second attempt sees an empty or new
      // store.
      return await this.#callOnce(id, action);
    }
  }

  async #callOnce<T>(id: string, action: (store: OpenStore) => Promise<T>): Promise<T> {
    using hold = await this.#acquire(id);
    try {
      const result = await action(hold.store);
      this.#context.health.worked();
      return result;
    } catch (error) {
      throw this.#failureOf(id, hold.store, error);
    }
  }

  /**
   * Runs one stream on a store. The stream's signal is aborted when the client goes away, and when the store is closed
   * or deleted. The reason of the signal tells these apart.
   *
   * @param open opens the stream. It is called a second time if another instance has deleted the store and the stream
   * has not sent anything.
   */
  async *stream<T>(
    storeId: string,
    callSignal: AbortSignal,
    open: (store: OpenStore, signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    const id = checkUuid(storeId, "store_id");
    let hold: StoreHold | undefined;
    let messages: AsyncIterator<T> | undefined;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      hold?.[Symbol.dispose]();
    };
    // After a client went away, nobody may ask this generator for the next message, so `finally` may never run.
    const leave = () => {
      if (messages === undefined) return;
      messages.return?.().catch(() => undefined);
      end();
    };
    callSignal.addEventListener("abort", leave, { once: true });
    try {
      for (let again = false; ; again = true) {
        hold = await this.#acquire(id);
        const { store } = hold;
        const signal = AbortSignal.any([callSignal, store.ended.signal]);
        const stream = new Begun(open(store, signal)[Symbol.asyncIterator]());
        messages = stream;
        try {
          yield* { [Symbol.asyncIterator]: () => stream };
          return;
        } catch (thrown) {
          const error = this.#failureOf(id, store, thrown);
          if (!(error instanceof StoreDeletedError) || stream.begun || again) throw error;
          hold[Symbol.dispose]();
        }
      }
    } finally {
      callSignal.removeEventListener("abort", leave);
      end();
    }
  }

  async #acquire(id: string): Promise<StoreHold> {
    try {
      return await this.#context.openStores.acquire(id);
    } catch (error) {
      this.#report(error, "opening the store", id);
      throw error;
    }
  }

  #report(error: unknown, what: string, id: string): void {
    this.#context.events.failure(error, what, id);
    this.#context.health.failed(error);
  }

  /** Returns the error of a failed call or stream. Closes the store if it must be opened again after that failure. */
  #failureOf(id: string, store: OpenStore, error: unknown): unknown {
    if (error instanceof StoreDeletedError) this.#context.openStores.forget(id, store, error);
    const { ended } = store;
    // The store was closed during the read. The reason of the closing is the true failure.
    if (error instanceof StoreClosedError && ended.signal.aborted) return ended.signal.reason;
    this.#report(error, "using the store", id);
    if (this.#context.shared || ended.signal.aborted || !(error instanceof ServerError)) return error;
    // With NoRoomError the write never began. A store that only reads would lose its readable state, and could not be
    // opened again.
    if (error instanceof NoRoomError || store.store.readsOnly?.() === true) return error;
    if (error.reason === ErrorReason.STORAGE_UNAVAILABLE || error.reason === ErrorReason.DISK_FULL) {
      this.#context.openStores.recycle(id, store, error);
    }
    return error;
  }
}

/** An iterator that records whether it has delivered an item. */
class Begun<T> implements AsyncIterator<T, void, undefined> {
  begun = false;
  readonly #inner: AsyncIterator<T>;

  constructor(inner: AsyncIterator<T>) {
    this.#inner = inner;
  }

  async next(): Promise<IteratorResult<T, void>> {
    const result = await this.#inner.next();
    this.begun ||= result.done !== true;
    return result;
  }

  async return(): Promise<IteratorResult<T, void>> {
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }
}
