import { connectionLost, located, type StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import type { RetryEvent } from "../retry/backoff.ts";
import { Attempts, type RetryPolicy } from "../retry/retry.ts";
import { unlessAborted } from "../silence.ts";
import type { ReadStates } from "../state.ts";
import type { EncodedPage } from "../transport/peer.ts";
import type { Streams } from "../transport/streams.ts";
import { type Connection, connect, disconnect, firstResponse } from "./connection.ts";
import type { Page, Read } from "./read.ts";

/** The settings of a client's reads. */
export interface ReadPolicy extends RetryPolicy {
  readonly streams: Streams;
}

/**
 * Continues a read over any number of connections.
 *
 *   idle -- next() --> reading -- response --> idle
 *                      reading -- transient failure, or silence --> waiting (backoff) --> reading, on a new connection
 *                      reading -- end of the stream --> ended
 *                      any -- other failure, signal, close() --> ended
 *
 * Call `next()` only after its previous promise has settled.
 */
export class PageReader<T, P> {
  readonly #read: Read<T, P>;
  readonly #attempts: Attempts;
  readonly #states: ReadStates<P>;
  readonly #streams: Streams;
  readonly #lifetime = new AbortController();
  readonly #onRetry: (event: RetryEvent) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#lifetime.abort(this.#signal?.reason);
  #connection: Connection<P> | undefined;
  #begun = false;
  #ended = false;

  constructor(read: Read<T, P>, policy: ReadPolicy, signal: AbortSignal | undefined, states: ReadStates<P>) {
    this.#read = read;
    this.#states = states;
    this.#streams = policy.streams;
    // A follower outlives its servers, so its attempts have no limit. The caller of a bounded read waits for its end.
    this.#onRetry = (event) => {
      const { attempt, delayMillis } = event;
      policy.onRetry?.(event);
      states.enter({ name: "retrying", reason: event.error as StreamkitError, attempt, delayMillis });
    };
    this.#attempts = new Attempts(
      { retry: policy.retry, onRetry: this.#onRetry },
      read.follow ? Number.POSITIVE_INFINITY : undefined,
    );
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Gives the next page; `undefined` at the end of the read. Throws StreamkitError once, and the read ends with it. */
  async next(): Promise<Page<T, P> | undefined> {
    while (!this.#ended) {
      if (this.#read.complete) break;
      try {
        this.#lifetime.signal.throwIfAborted();
        if (!this.#begun) this.#states.enter({ name: "connecting" });
        this.#begun = true;
        const page = await this.#attempt();
        if (page === undefined) break;
        return page;
      } catch (thrown) {
        this.#disconnect();
        // An interruption by close() ends quietly. An interruption by the caller's signal is an error.
        if (this.#ended) return undefined;
        try {
          await this.#attempts.again(toStreamkitError(thrown, this.#lifetime.signal), this.#lifetime.signal);
        } catch (final) {
          if (this.#ended as boolean) return undefined;
          const error = this.#ofRead(final);
          this.close(error);
          throw error;
        }
      }
    }
    this.close();
    return undefined;
  }

  /** Ends the read and frees its connection. `reason` is the error of a failed read. */
  close(reason?: StreamkitError): void {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#disconnect();
    this.#lifetime.abort();
    this.#states.end(reason);
  }

  /** The error that ends the read, with the read's position. */
  #ofRead(final: unknown): StreamkitError {
    const error = toStreamkitError(final, this.#lifetime.signal);
    return error.reason === "CANCELED" ? error : located(error, this.#read.place);
  }

  /** Gives one response; `undefined` at the end of the read. */
  async #attempt(): Promise<Page<T, P> | undefined> {
    const read = this.#read;
    this.#connection ??= connect(read, this.#streams);
    const result = await this.#respond(this.#connection);
    const connection = this.#connection;
    if (result.done) {
      if (read.complete || read.mayEnd) return undefined;
      throw connectionLost("the server ended the stream before it had sent all entries of the read");
    }
    connection.responses += 1;
    const page = await read.receive(result.value, connection.controller.signal);
    if (connection.responses === 1) await this.#begin(page, connection.controller.signal);
    if (this.#states.wanted && page.batches.length > 0) this.#states.arrived(page.batches.map(({ space }) => space));
    // An empty first response is no progress: a failing server may still send it on each connection.
    if (page.batches.length > 0 || connection.responses > 1) this.#attempts.progressed();
    return page;
  }

  /** Reports the start of a connection, and whether it is beyond the head. */
  async #begin(page: Page<T, P>, signal: AbortSignal): Promise<void> {
    const head = this.#states.wanted ? await this.#read.headBefore(page, signal) : undefined;
    this.#states.begin(page.next, head);
  }

  /** Gives the next response. If a stream delivers nothing, replaces it by a series of calls. */
  async #respond(stream: Connection<P>): Promise<IteratorResult<EncodedPage<P>>> {
    const { signal } = this.#lifetime;
    if (stream.polls || stream.responses > 0 || !this.#streams.doubted) {
      return unlessAborted(stream.pages.next(), signal);
    }
    const { connection, result } = await firstResponse(stream, this.#read, this.#streams, signal);
    if (connection !== stream) {
      this.#connection = connection;
      this.#streams.distrust();
      this.#onRetry({ attempt: 1, delayMillis: 0, error: located(heldBack(), this.#read.place) });
    }
    return result;
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) disconnect(connection);
  }
}

function heldBack(): StreamkitError {
  return connectionLost(
    "the server answers calls, but nothing of its stream arrives: a proxy on the way seems to hold responses back. " +
      "The read continues by long polling. Let the proxy pass responses on without buffering",
  );
}
