import { ErrorReason } from "@streamkit/protocol";
import { checkUuid } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { OpenStores, StoreHold } from "../engine/open-stores.ts";
import { NoRoomError, ServerError, StoreClosedError, StoreDeletedError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { StorageHealth } from "../health.ts";

/** What the routes of all services need. */
export interface RouteContext {
  readonly openStores: OpenStores;
  /** False when a local storage stops after a failed write, so that its store must be opened again. */
  readonly shared: boolean;
  /** Told about failures of storage, with their store. */
  readonly events: Events;
  /** Told how calls fare. */
  readonly health: StorageHealth;
}

/** Access to stores for the routes: holds them while a call or stream uses them. */
export class Stores {
  readonly #context: RouteContext;

  constructor(context: RouteContext) {
    this.#context = context;
  }

  /** Runs one call on a store; once more where the store turns out to be one that another instance has deleted. */
  async call<T>(storeId: string, action: (store: OpenStore) => Promise<T>): Promise<T> {
    const id = checkUuid(storeId, "store_id");
    try {
      return await this.#callOnce(id, action);
    } catch (error) {
      if (!(error instanceof StoreDeletedError)) throw error;
      // Nothing was written. What is open here is taken out of use; the store is empty, or made anew.
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
   * Runs one stream on a store. The signal that the stream gets is aborted when the client goes away, and when the
   * store is closed or deleted, with the reason for that.
   *
   * @param open opens the stream; once more when nothing was sent yet and the store turns out to be one that another
   *   instance has deleted
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
    // A client that went away may leave this generator where it is, for good: nobody asks it for the next message.
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

  /**
   * What a call or stream fails with; takes the store out of use where the failure says that it has to be opened again.
   */
  #failureOf(id: string, store: OpenStore, error: unknown): unknown {
    if (error instanceof StoreDeletedError) this.#context.openStores.forget(id, store, error);
    const { ended } = store;
    // A read that met the store closed: why it was closed is what the caller has to know.
    if (error instanceof StoreClosedError && ended.signal.aborted) return ended.signal.reason;
    this.#report(error, "using the store", id);
    if (this.#context.shared || ended.signal.aborted || !(error instanceof ServerError)) return error;
    // Nothing was begun; or what can be read would be closed, and could not be opened again.
    if (error instanceof NoRoomError || store.store.readsOnly?.() === true) return error;
    if (error.reason === ErrorReason.STORAGE_UNAVAILABLE || error.reason === ErrorReason.DISK_FULL) {
      this.#context.openStores.recycle(id, store, error);
    }
    return error;
  }
}

/** An iterator that knows whether it has delivered anything. */
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
