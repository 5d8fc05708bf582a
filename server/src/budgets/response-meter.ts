import type { Account } from "./account.ts";

/** A response body that counts each chunk from the moment its reader gets it until the reader asks for the next one. */
export class ResponseMeter implements AsyncIterableIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #account: Account;
  readonly #onEnd: () => void;
  #given = 0;

  constructor(inner: AsyncIterable<Uint8Array>, account: Account, onEnd: () => void) {
    this.#inner = inner[Symbol.asyncIterator]();
    this.#account = account;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    try {
      const result = await this.#inner.next();
      if (result.done === true) {
        this.#onEnd();
      } else {
        this.#given = result.value.byteLength;
        this.#account.add("responseBytes", this.#given);
      }
      return result;
    } catch (error) {
      this.#onEnd();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    this.#onEnd();
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    this.#onEnd();
    if (this.#inner.throw === undefined) throw error;
    return this.#inner.throw(error);
  }

  #taken(): void {
    this.#account.give("responseBytes", this.#given);
    this.#given = 0;
  }
}
