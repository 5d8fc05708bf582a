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

/** Bounds of what is sent and not yet acknowledged. */
export interface PipelineLimits {
  /** Most transactions in flight. */
  readonly maxInFlight: number;
  /** Most bytes in flight; one transaction is always allowed. */
  readonly maxInFlightBytes: number;
}

/** What a pipeline needs of its client. */
export interface PipelineContext extends CallSettings, RetryPolicy {
  readonly peer: Peer;
  /** True when the server that answers now can take Produce sessions. */
  readonly duplex: () => boolean | Promise<boolean>;
}

/** A transaction on its way. */
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
 *   connected -- other failure --> failed: the transaction at the head is refused with it, the others with
 *                                  SESSION_ABORTED; nothing after the head was applied
 *
 * Where the transport cannot send and receive at once, the same machine runs on unary appends, one after the other.
 */
export class Pipeline {
  /** Encoded bytes in flight. */
  bytes = 0;
  /** Called whenever something was acknowledged or refused. */
  onRoom: (() => void) | undefined;
  /** Called once when the pipeline fails, whether or not something was in flight. */
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
  /** Unacknowledged transactions, in order. `sent` of them are on the current connection. */
  readonly #queue: InFlight[] = [];
  #sent = 0;
  #wakeSender: (() => void) | undefined;
  /** Of the current connection, where it is a Produce session. */
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

  /** Transactions in flight. */
  get inFlight(): number {
    return this.#queue.length;
  }

  /** True when another transaction may be submitted without exceeding the limits. */
  get hasRoom(): boolean {
    return (
      this.#queue.length < this.#limits.maxInFlight && (this.bytes < this.#limits.maxInFlightBytes || this.bytes === 0)
    );
  }

  /** Why the pipeline takes nothing any more; `undefined` while it does. */
  get error(): StreamkitError | undefined {
    return this.#failure;
  }

  /** Sends a transaction behind those before it. Resolves when it is durable. The caller minds `hasRoom`. */
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

  /** Waits until everything submitted is settled, then ends the connection. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wakeSender?.();
    await this.#running;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Gives up at once: what is in flight is refused, its outcome unknown. */
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
        // Before the pause, which is no time in which the server owes something.
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

  /** Waits until it makes sense to connect again, or fails for good. */
  async #recover(error: StreamkitError): Promise<void> {
    // Nothing to send again: the next submit() connects, and learns what is wrong.
    if (this.#queue.length === 0 && error.retryable) return;
    try {
      await this.#attempts.again(error, this.#lifetime.signal);
    } catch (final) {
      this.#fail(toStreamkitError(final, this.#lifetime.signal));
    }
  }

  /** One connection: returns when the server has ended it. */
  async #connect(controller: AbortController): Promise<void> {
    this.#sent = 0;
    controller.signal.addEventListener("abort", () => this.#wakeSender?.(), { once: true });
    const { signal } = controller;
    const transactions = this.#outgoing(signal);
    const duplex = this.#duplex();
    const responses = (typeof duplex === "boolean" ? duplex : await this.#foundOut(duplex, signal))
      ? this.#session(transactions, controller)
      : this.#oneByOne(transactions, signal);
    const iterator = responses[Symbol.asyncIterator]();
    for (;;) {
      const result = await unlessAborted(iterator.next(), signal);
      if (result.done) {
        // Clean ends are the server's to choose; what it left unanswered goes over the next connection.
        if (this.#queue.length > 0)
          throw connectionLost("the server ended the session before it had answered everything");
        return;
      }
      this.#acknowledge(result.value);
    }
  }

  /** What this connection sends: everything unacknowledged, then what is submitted later. */
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

  async #foundOut(duplex: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    try {
      return await unlessAborted(duplex, signal);
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
      throw new StreamkitError("INTERNAL", "internal", "the server acknowledged a transaction that was not its turn");
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
  return new StreamkitError(
    "SESSION_ABORTED",
    "aborted",
    "not applied: the session was closed before; open another one",
  );
}

/** The error of a transaction that an earlier one took down with it. */
export function abandoned(cause: StreamkitError): StreamkitError {
  if (cause.reason === "CANCELED") return cause;
  const message = `not applied, or not known to be: the session had failed before: ${cause.message}`;
  return new StreamkitError("SESSION_ABORTED", "aborted", message, { retryable: true, cause });
}
