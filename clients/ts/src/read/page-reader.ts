import { connectionLost, located, StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { Attempts, type RetryPolicy } from "../retry/retry.ts";
import type { EncodedPage } from "../transport/peer.ts";
import type { Page, Read } from "./read.ts";
import { unlessAborted } from "./silence.ts";

/** One connection of a read. */
interface Connection<P> {
  readonly pages: AsyncIterator<EncodedPage<P>>;
  readonly controller: AbortController;
  /** Responses so far. */
  responses: number;
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
  private readonly lifetime = new AbortController();
  private readonly signal: AbortSignal | undefined;
  private readonly onAbort = () => this.lifetime.abort(this.signal?.reason);
  private connection: Connection<P> | undefined;
  private ended = false;

  constructor(read: Read<T, P>, policy: RetryPolicy, signal: AbortSignal | undefined) {
    this.read = read;
    // A follower is meant to outlive its servers; a bounded read has a caller that waits.
    this.attempts = new Attempts(policy, read.follow ? Number.POSITIVE_INFINITY : undefined);
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
          const closed = this.ended as boolean;
          this.close();
          if (closed) return undefined;
          throw this.ofRead(final);
        }
      }
    }
    this.close();
    return undefined;
  }

  /** Ends the read and frees its connection. */
  close(): void {
    this.ended = true;
    this.signal?.removeEventListener("abort", this.onAbort);
    this.disconnect();
    this.lifetime.abort();
  }

  /** The error that ends the read, with where it stands. */
  private ofRead(final: unknown): unknown {
    if (!(final instanceof StreamkitError) || final.reason === "CANCELED") return final;
    return located(final, this.read.place);
  }

  /** One response; `undefined` at the end of the read. */
  private async attempt(): Promise<Page<T, P> | undefined> {
    const { read } = this;
    this.connection ??= this.connect();
    const { connection } = this;
    const result = await unlessAborted(connection.pages.next(), this.lifetime.signal);
    if (result.done) {
      if (read.complete || read.mayEnd) return undefined;
      throw connectionLost("the server ended the stream before everything that was asked for had been sent");
    }
    connection.responses += 1;
    const page = await read.receive(result.value, connection.controller.signal);
    // The first response comes at once and may be all that a failing server manages: no progress yet.
    if (page.batches.length > 0 || connection.responses > 1) this.attempts.progressed();
    return page;
  }

  private connect(): Connection<P> {
    const controller = new AbortController();
    return { pages: this.read.open(controller.signal)[Symbol.asyncIterator](), controller, responses: 0 };
  }

  private disconnect(): void {
    const { connection } = this;
    if (connection === undefined) return;
    this.connection = undefined;
    // The signal frees the call at once; the iterator may be in the middle of something, and its end interests nobody.
    connection.controller.abort();
    connection.pages.return?.().then(undefined, () => {});
  }
}
