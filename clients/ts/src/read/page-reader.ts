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

/** How the reads of a client behave. */
export interface ReadPolicy extends RetryPolicy {
  readonly streams: Streams;
}

/**
 * Keeps a read going over any number of connections.
 *
 *   idle -- next() --> reading -- response --> idle
 *                      reading -- transient failure, or silence --> waiting (backoff) --> reading, on a new connection
 *                      reading -- end of the stream --> ended
 *                      any -- other failure, signal, close() --> ended
 *
 * `next()` is called by one caller at a time.
 */
export class PageReader<T, P> {
  private readonly read: Read<T, P>;
  private readonly attempts: Attempts;
  private readonly states: ReadStates<P>;
  private readonly streams: Streams;
  private readonly lifetime = new AbortController();
  private readonly onRetry: (event: RetryEvent) => void;
  private readonly signal: AbortSignal | undefined;
  private readonly onAbort = () => this.lifetime.abort(this.signal?.reason);
  private connection: Connection<P> | undefined;
  private begun = false;
  private ended = false;

  constructor(read: Read<T, P>, policy: ReadPolicy, signal: AbortSignal | undefined, states: ReadStates<P>) {
    this.read = read;
    this.states = states;
    this.streams = policy.streams;
    // A follower is meant to outlive its servers; a bounded read has a caller that waits.
    this.onRetry = (event) => {
      const { attempt, delayMillis } = event;
      policy.onRetry?.(event);
      states.enter({ name: "retrying", reason: event.error as StreamkitError, attempt, delayMillis });
    };
    this.attempts = new Attempts(
      { retry: policy.retry, onRetry: this.onRetry },
      read.follow ? Number.POSITIVE_INFINITY : undefined,
    );
    this.signal = signal;
    if (signal?.aborted) this.onAbort();
    else signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  /** The next page; `undefined` at the end of the read. Throws StreamkitError, once; the read has ended then. */
  async next(): Promise<Page<T, P> | undefined> {
    while (!this.ended) {
      if (this.read.complete) break;
      try {
        this.lifetime.signal.throwIfAborted();
        if (!this.begun) this.states.enter({ name: "connecting" });
        this.begun = true;
        const page = await this.attempt();
        if (page === undefined) break;
        return page;
      } catch (thrown) {
        this.disconnect();
        // What close() interrupts ends quietly; what the caller's signal interrupts does not.
        if (this.ended) return undefined;
        try {
          await this.attempts.again(toStreamkitError(thrown, this.lifetime.signal), this.lifetime.signal);
        } catch (final) {
          if (this.ended as boolean) return undefined;
          const error = this.ofRead(final);
          this.close(error);
          throw error;
        }
      }
    }
    this.close();
    return undefined;
  }

  /** Ends the read, for a reason if it has failed, and frees its connection. */
  close(reason?: StreamkitError): void {
    this.ended = true;
    this.signal?.removeEventListener("abort", this.onAbort);
    this.disconnect();
    this.lifetime.abort();
    this.states.end(reason);
  }

  /** The error that ends the read, with where it stands. */
  private ofRead(final: unknown): StreamkitError {
    const error = toStreamkitError(final, this.lifetime.signal);
    return error.reason === "CANCELED" ? error : located(error, this.read.place);
  }

  /** One response; `undefined` at the end of the read. */
  private async attempt(): Promise<Page<T, P> | undefined> {
    const { read } = this;
    this.connection ??= connect(read, this.streams);
    const result = await this.respond(this.connection);
    const { connection } = this;
    if (result.done) {
      if (read.complete || read.mayEnd) return undefined;
      throw connectionLost("the server ended the stream before everything that was asked for had been sent");
    }
    connection.responses += 1;
    const page = await read.receive(result.value, connection.controller.signal);
    if (connection.responses === 1) await this.begin(page, connection.controller.signal);
    if (this.states.wanted && page.batches.length > 0) this.states.arrived(page.batches.map(({ space }) => space));
    // The first response comes at once and may be all that a failing server manages: no progress yet.
    if (page.batches.length > 0 || connection.responses > 1) this.attempts.progressed();
    return page;
  }

  /** The first response of a connection: tells where it begins, and whether that is beyond the head. */
  private async begin(page: Page<T, P>, signal: AbortSignal): Promise<void> {
    const head = this.states.wanted ? await this.read.headBefore(page, signal) : undefined;
    this.states.begin(page.next, head);
  }

  /** The next response of a connection, which another connection replaces if its stream delivers nothing. */
  private async respond(stream: Connection<P>): Promise<IteratorResult<EncodedPage<P>>> {
    const { signal } = this.lifetime;
    if (stream.polls || stream.responses > 0 || !this.streams.doubted) {
      return unlessAborted(stream.pages.next(), signal);
    }
    const { connection, result } = await firstResponse(stream, this.read, this.streams, signal);
    if (connection !== stream) {
      this.connection = connection;
      this.streams.distrust();
      this.onRetry({ attempt: 1, delayMillis: 0, error: located(heldBack(), this.read.place) });
    }
    return result;
  }

  private disconnect(): void {
    const { connection } = this;
    this.connection = undefined;
    if (connection !== undefined) disconnect(connection);
  }
}

function heldBack(): StreamkitError {
  return connectionLost(
    "the server answers calls and nothing of its stream arrives: a proxy on the way seems to hold responses back. " +
      "The read goes on by long polling; let the proxy pass responses on as they come",
  );
}
