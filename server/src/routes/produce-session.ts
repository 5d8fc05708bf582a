import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import type { OpaqueAppendRequest } from "@streamkit/protocol/wire";
import { principalKey } from "../access/gate.ts";
import type { Principal } from "../access/principal.ts";
import type { Account } from "../budgets/account.ts";
import { accountKey } from "../budgets/peer.ts";
import type { AppendResult } from "../engine/append/append-mutation.ts";
import { appendToLog } from "../engine/append/append-to-log.ts";
import type { AppendTransaction } from "../engine/append/apply-append.ts";
import type { SessionOrder } from "../engine/commit/group-commit.ts";
import { checkName, checkUuid } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { SpaceLog } from "../engine/space/space-log.ts";
import { invalidField, ServerError, StoreDeletedError } from "../errors.ts";
import { type ResultFields, toResponse, toTransaction } from "./append-request.ts";
import { checkAll } from "./checks.ts";
import type { Stores } from "./stores.ts";

/**
 * Most requests of one Produce session that wait for their commit, and most bytes of them. Beyond either, the server
 * stops reading.
 */
const MAX_IN_FLIGHT = 256;
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024;

/**
 * Runs a Produce session. The session submits requests as they arrive and sends results in the same order. After the
 * first failure it reads no more requests, and the requests it has read are not applied: the commit skips sessions that
 * are marked as failed.
 */
export async function* produce(
  stores: Stores,
  requests: AsyncIterable<OpaqueAppendRequest>,
  context: HandlerContext,
): AsyncGenerator<ResultFields, void, undefined> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return;
  const { storeId } = checkAll({
    storeId: () => checkUuid(first.value.storeId, "store_id"),
    space: () => checkName(first.value.space, "space"),
  });
  yield* stores.stream(storeId, context.signal, async function* (store, signal) {
    // The request stream can be read only once, so check for a deleted store before reading on.
    await store.checkPresent();
    using _watched = store.watchDeletion();
    const session = new ProduceSession(store, storeId, signal, context.values);
    void session.read(first.value, iterator);
    try {
      for (;;) {
        const result = await session.next();
        if (result === undefined) return;
        yield toResponse(result);
      }
    } catch (error) {
      throw error instanceof StoreDeletedError ? new ServerError(error.reason, error.message, error.facts) : error;
    } finally {
      session.stop();
    }
  });
}

interface InFlight {
  readonly result: Promise<AppendResult>;
  readonly bytes: number;
}

/** The two ends of a Produce session: the requests it has submitted, and the results it has not sent yet. */
class ProduceSession {
  readonly #store: OpenStore;
  readonly #storeId: string;
  readonly #signal: AbortSignal;
  /** Account of the connection, charged for the bytes between reading and commit. */
  readonly #account: Account | undefined;
  readonly #principal: Principal | undefined;
  readonly #session: SessionOrder = { failed: false };
  readonly #inFlight: InFlight[] = [];
  /** Result of the last submitted request. It settles after the earlier ones, or at once if the request is refused. */
  #latest: Promise<unknown> = Promise.resolve();
  #refused = false;
  #bytes = 0;
  #ended = false;
  #stopped = false;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  constructor(store: OpenStore, storeId: string, signal: AbortSignal, values: ContextValues) {
    this.#store = store;
    this.#storeId = storeId;
    this.#signal = signal;
    this.#account = values.get(accountKey);
    this.#principal = values.get(principalKey);
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Reads and submits requests until the client ends or a request fails. A failure becomes the last result. */
  async read(first: OpaqueAppendRequest, rest: AsyncIterator<OpaqueAppendRequest>): Promise<void> {
    let space = first.space;
    try {
      for (let request = first; ; ) {
        const { append } = checkAll({
          storeId: () => this.#checkStore(request.storeId),
          append: () =>
            toTransaction({ ...request, space: request.space === "" ? space : request.space }, this.#principal),
        });
        if (append.space !== space) {
          // Spaces commit independently, so wait for the last result: no request after a refused one may be applied.
          await this.#latest.catch(() => undefined);
          if (this.#isOver) break;
          space = append.space;
        }
        this.#submit(append);
        await this.#room();
        if (this.#isOver) break;
        const next = await rest.next();
        if (next.done === true || this.#isOver) break;
        request = next.value;
      }
    } catch (error) {
      this.#inFlight.push({ result: Promise.reject(error), bytes: 0 });
      this.#inFlight.at(-1)?.result.catch(() => undefined);
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #checkStore(id: string): void {
    if (id === "" || checkUuid(id, "store_id") === this.#storeId) return;
    throw invalidField("store_id", "differs from the first request of the session; expected the same or none");
  }

  /** Returns the next result in order; undefined after the last one. */
  async next(): Promise<AppendResult | undefined> {
    while (this.#inFlight.length === 0) {
      this.#signal.throwIfAborted();
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    const [first] = this.#inFlight;
    const result = await first.result;
    this.#inFlight.shift();
    this.#count(-first.bytes);
    this.#wakeReader();
    return result;
  }

  /** Ends the session. Requests that are not committed yet are no longer applied. */
  stop(): void {
    this.#session.failed = true;
    this.#stopped = true;
    this.#account?.give("requestBytes", this.#bytes);
    this.#wake();
  }

  /** True if the session must submit no more requests. */
  get #isOver(): boolean {
    return this.#refused || this.#session.failed || this.#signal.aborted;
  }

  #submit({ space, transaction }: { space: string; transaction: AppendTransaction }): void {
    const log: SpaceLog = this.#store.space(space);
    const result = this.#store.write(() => appendToLog(log, transaction, this.#session));
    // `next` reports the failure in its turn. Earlier requests continue.
    result.catch(() => {
      this.#refused = true;
    });
    this.#latest = result;
    let bytes = 0;
    for (const append of transaction.appends) bytes += append.records.length;
    this.#inFlight.push({ result, bytes });
    this.#count(bytes);
    this.#wakeWriter();
  }

  #count(bytes: number): void {
    if (this.#stopped) return;
    this.#bytes += bytes;
    this.#account?.add("requestBytes", bytes);
  }

  /**
   * Waits until the session may read another request. While the connection uses much memory, a session has only one
   * request in flight.
   */
  async #room(): Promise<void> {
    const full = () =>
      this.#inFlight.length >= MAX_IN_FLIGHT ||
      this.#bytes >= MAX_IN_FLIGHT_BYTES ||
      (this.#inFlight.length > 0 && this.#account?.isHalfUsed("requestBytes") === true);
    while (full() && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  #wake(): void {
    this.#wakeReader();
    this.#wakeWriter();
  }
}
