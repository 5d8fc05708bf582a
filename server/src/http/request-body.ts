import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/**
 * The body of a Node request, as chunks. Unlike Node's own iterator, a reader that stops early does not destroy the
 * connection: the response still has to go out on it. What to do with the rest is decided behind the response
 * (`finish-request.ts`).
 */
export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #request: IncomingMessage | Http2ServerRequest;
  #waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #ended = false;

  constructor(request: IncomingMessage | Http2ServerRequest) {
    this.#request = request;
    request.on("readable", () => this.#wake());
    request.once("end", () => {
      this.#ended = true;
      this.#wake();
    });
    request.on("error", (error: Error) => this.#fail(error));
    const onGone = () => {
      // Every request closes, and an error with its stack is the most expensive part of that.
      if (!this.#ended) this.#fail(new Error("the client went away before its request was complete"));
    };
    request.once("aborted", onGone);
    request.once("close", onGone);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#wake();
    });
  }

  /** Stops reading. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.#ended = true;
    this.#wake();
    return Promise.resolve({ done: true, value: undefined });
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const chunk = this.#ended || this.#failure ? null : (this.#request.read() as Uint8Array | null);
    // Reading may have ended the request, and have come here again.
    if (this.#waiting !== waiting) return;
    if (chunk === null && !this.#ended && this.#failure === undefined) return;
    this.#waiting = undefined;
    if (chunk !== null) waiting.resolve({ done: false, value: chunk });
    else if (this.#ended) waiting.resolve({ done: true, value: undefined });
    else if (this.#failure !== undefined) waiting.reject(this.#failure);
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#failure ??= error;
    this.#wake();
  }
}
