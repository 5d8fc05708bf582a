import type { DescMethod } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";

/**
 * The context of one call for the ways in without Connect's handlers. It creates headers and the abort signal only when
 * code reads them; most calls never do.
 */
export abstract class LazyContext implements HandlerContext {
  readonly method: DescMethod;
  readonly requestMethod = "POST";
  readonly values: ContextValues = createContextValues();
  abstract readonly protocolName: string;
  abstract readonly url: string;
  readonly #due: number | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  readonly #waiting: ((reason: Error) => void)[] = [];

  /** @param timeoutMillis time limit of the call in milliseconds; undefined for no limit */
  constructor(method: DescMethod, timeoutMillis: number | undefined) {
    this.method = method;
    this.#due = timeoutMillis === undefined ? undefined : Date.now() + timeoutMillis;
  }

  readonly timeoutMs = (): number | undefined => (this.#due === undefined ? undefined : this.#due - Date.now());

  get service() {
    return this.method.parent;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= this.readHeaders();
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  /** True once code has read, and perhaps set, the headers or trailers of the answer. */
  get hasHeaders(): boolean {
    return this.#responseHeader !== undefined || this.#responseTrailer !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Throws the reason once the call is aborted. Creates no signal. */
  throwIfAborted(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** True once the call is aborted. Reading it creates no signal. */
  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * Aborts the call: rejects the promises of `unlessAborted` and aborts the signal. Only the first reason counts.
   *
   * @returns the first reason
   */
  abort(reason: Error): Error {
    if (this.#reason !== undefined) return this.#reason;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const reject of this.#waiting) reject(reason);
    return reason;
  }

  /** Settles like `work`, or rejects with the reason as soon as the call is aborted. Creates no signal. */
  unlessAborted<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#reason === undefined) this.#waiting.push(reject);
      else reject(this.#reason);
      work.then(resolve, reject);
    });
  }

  /** Creates the headers of the request. */
  protected abstract readHeaders(): Headers;
}
