import { type AppendResponse, type ProduceResponse, StreamService } from "@streamkit/protocol";
import { canceled, connectionLost, StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { Attempts, type RetryPolicy } from "../retry/retry.ts";
import { unlessAborted } from "../silence.ts";
import type { CallSettings } from "../transport/call.ts";
import type { Peer } from "../transport/peer.ts";
import { AnswerClock } from "./answer-clock.ts";
import { type AppendResult, toAppendResult } from "./append-result.ts";
import type { SizedTransaction } from "./transaction.ts";

/** Bounds of the unacknowledged transactions. */
export interface PipelineLimits {
  /** Most transactions in flight. */
  readonly maxInFlight: number;
  /** Most bytes in flight. One transaction may exceed them. */
  readonly maxInFlightBytes: number;
}

/** The parts of a client that a pipeline uses. */
export interface PipelineContext extends CallSettings, RetryPolicy {
  readonly peer: Peer;
  /** True if the connection can send and receive at the same time, which Produce sessions need. */
  readonly duplex: () => boolean | Promise<boolean>;
}

/** An unacknowledged transaction. */
interface InFlight {
  readonly transaction: SizedTransaction;
  readonly acknowledge: (result: AppendResult) => void;
  readonly refuse: (error: StreamkitError) => void;
}

/**
 * Sends transactions in order over Produce, without waiting for one before the next, exactly once and over any number
 * of connections.
 *
 *   idle -- submit() --> connected -- ack --> connected, or idle when nothing is in flight and the server hangs up
 *   connected -- transient failure --> waiting (backoff) --> connected; everything unacknowledged is sent again, in
 *                                      order and with the same ids (G7)
 *   connected -- no answer for `timeoutMillis` while one is owed --> as a transient failure
 *   connected -- other failure --> failed: the first transaction of the queue rejects with the failure, the others with
 *                                  SESSION_ABORTED; the server applied nothing behind the first
 *
 * Without duplex the same machine uses unary appends, one after the other.
 */
export class Pipeline {
  /** Encoded bytes in flight. */
  bytes = 0;
  /** Called after each transaction that was acknowledged or refused. */
  onRoom: (() => void) | undefined;
  /** Called once when the pipeline fails, also with no transaction in flight. */
  onFailure: ((error: StreamkitError) => void) | undefined;

  readonly #peer: Peer;
  readonly #duplex: () => boolean | Promise<boolean>;
  readonly #settings: CallSettings;
  readonly #limits: PipelineLimits;
  readonly #attempts: Attempts;
  readonly #lifetime = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => {
    this.#lifetime.abort(this.#signal?.reason);
    if (this.#running === undefined) this.#fail(canceled(this.#lifetime.signal));
  };
  /** Unacknowledged transactions, in order. The current connection has sent the first `#sent` of them. */
  readonly #queue: InFlight[] = [];
  #sent = 0;
  #wakeSender: (() => void) | undefined;
  /** The clock of the current connection, if it is a Produce session. */
  #clock: AnswerClock | undefined;
  #closing = false;
  #failure: StreamkitError | undefined;
  #running: Promise<void> | undefined;

  constructor(context: PipelineContext, limits: PipelineLimits, signal: AbortSignal | undefined) {
    this.#peer = context.peer;
    this.#duplex = context.duplex;
    this.#settings = context;
    this.#limits = limits;
    this.#attempts = new Attempts(context);
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Number of transactions in flight. */
  get inFlight(): number {
    return this.#queue.length;
  }

  /** True if the limits allow another transaction. */
  get hasRoom(): boolean {
    return (
      this.#queue.length < this.#limits.maxInFlight && (this.bytes < this.#limits.maxInFlightBytes || this.bytes === 0)
    );
  }

  /** The failure of the pipeline; `undefined` while it takes transactions. */
  get error(): StreamkitError | undefined {
    return this.#failure;
  }

  /** Sends a transaction behind the earlier ones. Resolves when it is durable. The caller checks `hasRoom` first. */
  submit(transaction: SizedTransaction): Promise<AppendResult> {
    if (this.#failure !== undefined) return Promise.reject(abandoned(this.#failure));
    if (this.#closing) return Promise.reject(closed());
    return new Promise((acknowledge, refuse) => {
      this.#queue.push({ transaction, acknowledge, refuse });
      this.bytes += transaction.bytes;
      this.#wakeSender?.();
      this.#clock?.owed();
      this.#running ??= this.#run();
    });
  }

  /** Waits until all submitted transactions are settled, then ends the connection. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wakeSender?.();
    await this.#running;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Gives up at once. Transactions in flight reject with CANCELED; their outcome is unknown. */
  abort(): void {
    this.#lifetime.abort();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Keeps connecting until nothing is in flight. Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#lifetime;
    while (this.#failure === undefined && this.#queue.length > 0) {
      const controller = new AbortController();
      const onAbort = () => controller.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        signal.throwIfAborted();
        await this.#connect(controller);
      } catch (thrown) {
        // Stop the clock before the pause, during which the server owes no answer.
        this.#disconnect(controller, onAbort);
        await this.#recover(toStreamkitError(thrown, signal));
      } finally {
        this.#disconnect(controller, onAbort);
      }
    }
    this.#running = undefined;
  }

  #disconnect(controller: AbortController, onAbort: () => void): void {
    this.#clock?.stop();
    this.#clock = undefined;
    this.#lifetime.signal.removeEventListener("abort", onAbort);
    controller.abort();
  }

  /** Waits before the next connection, or fails for good. */
  async #recover(error: StreamkitError): Promise<void> {
    // The queue is empty: the next submit() connects, and meets the failure if it lasts.
    if (this.#queue.length === 0 && error.retryable) return;
    try {
      await this.#attempts.again(error, this.#lifetime.signal);
    } catch (final) {
      this.#fail(toStreamkitError(final, this.#lifetime.signal));
    }
  }

  /** Runs one connection until the server ends it. */
  async #connect(controller: AbortController): Promise<void> {
    this.#sent = 0;
    controller.signal.addEventListener("abort", () => this.#wakeSender?.(), { once: true });
    const { signal } = controller;
    const transactions = this.#outgoing(signal);
    const duplex = this.#duplex();
    const mayStream = typeof duplex === "boolean" ? duplex : await this.#prepared(duplex, signal);
    // The clock of a session starts once there is a token: until then the server owes no answer.
    const { credentials, timeoutMillis } = this.#settings;
    if (mayStream && credentials) await this.#prepared(credentials.get(timeoutMillis, signal), signal);
    const responses = mayStream ? this.#session(transactions, controller) : this.#oneByOne(transactions, signal);
    const iterator = responses[Symbol.asyncIterator]();
    for (;;) {
      const result = await unlessAborted(iterator.next(), signal);
      if (result.done) {
        // The server may end a session at any time. The next connection sends the unanswered transactions again.
        if (this.#queue.length > 0)
          throw connectionLost("the server ended the session before it answered all transactions");
        return;
      }
      this.#acknowledge(result.value);
    }
  }

  /** The transactions for one connection: first all unacknowledged ones, then later ones. */
  async *#outgoing(signal: AbortSignal): AsyncGenerator<SizedTransaction, void, undefined> {
    while (!signal.aborted) {
      if (this.#sent < this.#queue.length) {
        this.#sent += 1;
        yield this.#queue[this.#sent - 1].transaction;
      } else if (this.#closing) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeSender = resolve;
        });
      }
    }
  }

  async #prepared<T>(preparation: T | Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await unlessAborted(Promise.resolve(preparation), signal);
    } catch (thrown) {
      throw await this.#settings.contact.explain(thrown, StreamService.method.produce, signal);
    }
  }

  /** A Produce session, which ends when the server owes an answer for too long. */
  #session(transactions: AsyncIterable<SizedTransaction>, controller: AbortController) {
    const { contact, timeoutMillis } = this.#settings;
    this.#clock = new AnswerClock(timeoutMillis, () => {
      contact.probe();
      const message = `no answer to ${this.#queue.length} transactions within ${timeoutMillis} ms`;
      controller.abort(contact.silent(StreamService.method.produce, message));
    });
    this.#clock.owed();
    return this.#peer.produce(transactions, controller.signal);
  }

  async *#oneByOne(
    transactions: AsyncIterable<SizedTransaction>,
    signal: AbortSignal,
  ): AsyncGenerator<AppendResponse | ProduceResponse, void, undefined> {
    for await (const transaction of transactions) yield await this.#peer.append(transaction, signal);
  }

  #acknowledge(response: AppendResponse | ProduceResponse): void {
    const head = this.#queue[0];
    if (this.#sent === 0 || head.transaction.transactionId.toLowerCase() !== response.transaction?.id) {
      throw new StreamkitError("INTERNAL", "internal", "the server acknowledged a transaction out of order");
    }
    const result = toAppendResult(response, head.transaction);
    this.#queue.shift();
    this.#sent -= 1;
    this.bytes -= head.transaction.bytes;
    this.#attempts.progressed();
    this.#clock?.stop();
    if (this.#queue.length > 0) this.#clock?.owed();
    head.acknowledge(result);
    this.onRoom?.();
  }

  #fail(error: StreamkitError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const [head, ...others] = this.#queue.splice(0);
    this.bytes = 0;
    head?.refuse(error);
    for (const other of others) other.refuse(abandoned(error));
    this.onFailure?.(error);
    this.onRoom?.();
  }
}

function closed(): StreamkitError {
  return new StreamkitError("SESSION_ABORTED", "aborted", "not applied: the session is closed; open another one");
}

/** The error of a transaction behind a failed one. */
export function abandoned(cause: StreamkitError): StreamkitError {
  if (cause.reason === "CANCELED") return cause;
  const message = `not applied, or the outcome is unknown: the session failed before: ${cause.message}`;
  return new StreamkitError("SESSION_ABORTED", "aborted", message, { retryable: true, cause });
}
