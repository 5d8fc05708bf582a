import type { Codec } from "../codec.ts";
import type { ClientContext } from "../context.ts";
import type { StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { type ChecksOf, checkOptions, count, signal } from "../options.ts";
import type { AppendResult } from "./append-result.ts";
import { abandoned, Pipeline } from "./pipeline.ts";
import { PIPELINE_LIMITS } from "./produce.ts";
import {
  encodeTransaction,
  type SegmentAppend,
  type SizedTransaction,
  TRANSACTION_OPTIONS,
  type TransactionOptions,
} from "./transaction.ts";

/** Options of a session. */
export interface SessionOptions {
  /** Transactions in flight from which on `ready` waits. Default 32. */
  readonly maxInFlight?: number;
  /** Bytes in flight from which on `ready` waits. Default 16 MiB. */
  readonly maxInFlightBytes?: number;
  /** Ends the session with `CANCELED`. */
  readonly signal?: AbortSignal;
}

export const SESSION_OPTIONS = {
  maxInFlight: count(1),
  maxInFlightBytes: count(1),
  signal,
} satisfies ChecksOf<SessionOptions>;

/**
 * A pipeline of transactions of one space. The session sends each transaction at once, in order; the transaction is
 * durable when its promise resolves. After a transient failure the session sends all unacknowledged transactions again,
 * in order, and the server applies each exactly once.
 *
 * The first failure that retries cannot mend rejects its transaction. All transactions behind it, and all later
 * appends, reject with `SESSION_ABORTED`, so a session never skips a transaction.
 */
export class AppendSession<In> implements AsyncDisposable {
  readonly #place: { storeId: string; space: string; fencingToken: bigint | undefined };
  readonly #codec: Codec<never, In>;
  readonly #pipeline: Pipeline;
  #waiting: (() => void)[] = [];
  /** The error of a transaction that the client refused to send. Later appends fail with it, earlier ones do not. */
  #refusal: StreamkitError | undefined;

  /** @internal Made by `SpaceHandle.session`. */
  constructor(
    context: ClientContext,
    storeId: string,
    space: string,
    codec: Codec<never, In>,
    options: SessionOptions,
  ) {
    this.#place = { storeId, space, fencingToken: context.fencingToken };
    this.#codec = codec;
    const limits = {
      maxInFlight: options.maxInFlight ?? PIPELINE_LIMITS.maxInFlight,
      maxInFlightBytes: options.maxInFlightBytes ?? PIPELINE_LIMITS.maxInFlightBytes,
    };
    this.#pipeline = new Pipeline(context, limits, options.signal);
    this.#pipeline.onRoom = () => {
      if (this.#pipeline.hasRoom) for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /**
   * Sends one transaction. Resolves when it is durable. Await `ready` first if the source is faster than the server.
   */
  async append(appends: Iterable<SegmentAppend<In>>, options: TransactionOptions = {}): Promise<AppendResult> {
    if (this.#refusal !== undefined) throw abandoned(this.#refusal);
    let transaction: SizedTransaction;
    try {
      checkOptions("append", options, TRANSACTION_OPTIONS);
      transaction = encodeTransaction(this.#place, this.#codec, appends, options);
    } catch (thrown) {
      this.#refusal = toStreamkitError(thrown);
      throw thrown;
    }
    return this.#pipeline.submit(transaction);
  }

  /** Resolves when fewer transactions are in flight than the session allows, or the session has failed. */
  async ready(): Promise<void> {
    while (!this.#pipeline.hasRoom && this.#pipeline.error === undefined) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Waits until every transaction is settled, then ends the session. Never rejects; the promises of appends do. */
  async close(): Promise<void> {
    await this.#pipeline.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
