import type { Account } from "./account.ts";
import type { Admission } from "./admission.ts";

export interface RequestMeterOptions {
  readonly admission: Admission;
  readonly account: Account;
  /**
   * True if the body is a sequence of messages, each after a flag byte and its length; false if the body is one
   * message.
   */
  readonly enveloped: boolean;
  /** True if the method takes one message: the whole body must arrive in time. Otherwise, the first message must. */
  readonly single: boolean;
}

/** Flags and length of an enveloped message: https://connectrpc.com/docs/protocol#streaming-request */
const ENVELOPE_BYTES = 5;

/**
 * The body of a request, on its way to the protocol. It counts the bytes of an enveloped message until the message is
 * complete, and those of a unary request until `end`. Reading fails if the caller's account is full, or if the first
 * message, or the end of a single one, is late.
 */
export class RequestMeter implements AsyncIterableIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #options: RequestMeterOptions;
  readonly #deadline: Disposable;
  #taken = 0;
  #failure: Error | undefined;
  #reject: ((error: Error) => void) | undefined;
  /** State of the current message: bytes of its envelope so far, its length, and its missing bytes. */
  #header = 0;
  #length = 0;
  #missing = 0;

  constructor(inner: AsyncIterable<Uint8Array>, options: RequestMeterOptions) {
    this.#inner = inner[Symbol.asyncIterator]();
    this.#options = options;
    this.#deadline = options.admission.expect(options.single, (error) => this.#fail(error));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#inner.next().then((result) => {
        if (result.done === true) this.#deadline[Symbol.dispose]();
        else this.#count(result.value);
        if (this.#failure === undefined) resolve(result);
      }, reject);
    });
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#deadline[Symbol.dispose]();
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  /** Gives back all counted bytes, at the end of the call. */
  end(): void {
    this.#deadline[Symbol.dispose]();
    this.#give(this.#taken);
  }

  #count(chunk: Uint8Array): void {
    try {
      this.#options.admission.takeRequest(this.#options.account, chunk.byteLength);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#taken += chunk.byteLength;
    if (this.#options.enveloped) this.#split(chunk);
  }

  /** Finds the ends of messages. A complete message is no longer counted, as it belongs to the implementation. */
  #split(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; ) {
      if (this.#header < ENVELOPE_BYTES) {
        if (this.#header > 0) this.#length = this.#length * 256 + chunk[at];
        this.#header++;
        at++;
        if (this.#header < ENVELOPE_BYTES) continue;
        this.#missing = this.#length;
      }
      const part = Math.min(this.#missing, chunk.byteLength - at);
      this.#missing -= part;
      at += part;
      if (this.#missing > 0) return;
      if (!this.#options.single) this.#deadline[Symbol.dispose]();
      this.#header = 0;
      this.#length = 0;
      // The rest of this chunk belongs to the next message.
      this.#give(this.#taken - (chunk.byteLength - at));
    }
  }

  #give(bytes: number): void {
    this.#taken -= bytes;
    this.#options.account.give("requestBytes", bytes);
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#reject?.(error);
  }
}
