import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/**
 * The body of a Node request, in chunks. A reader that stops early destroys the connection with Node's own iterator,
 * but not with this one: the response still leaves on the connection. `finish-request.ts` deals with the unread rest
 * after the response.
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
      // Every request closes, and creating an error is the most expensive part of closing.
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
    // The read may have ended the request, and so called this method already.
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
