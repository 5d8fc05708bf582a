import { denied } from "./access-error.ts";
import type { Principal } from "./principal.ts";

/** Longest wait of a timer, in milliseconds: 24.8 days. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/**
 * The end of the right to a stream: when the credentials of its principal expire, or are revoked. Costs one timer per
 * stream whose credentials expire. Dispose it at the end of the stream.
 */
export class StreamEnd implements Disposable {
  readonly #controller = new AbortController();
  readonly #principal: Principal;
  readonly #onRevoked = () => this.#end("the credentials were revoked: get new ones, and resume the stream");
  #timer: NodeJS.Timeout | undefined;

  constructor(principal: Principal) {
    this.#principal = principal;
    const { revoked } = principal;
    if (revoked?.aborted === true) this.#onRevoked();
    else revoked?.addEventListener("abort", this.#onRevoked, { once: true });
    this.#wait();
  }

  /** True if the credentials of a principal can end. */
  static isFor({ expiresAt, revoked }: Principal): boolean {
    return expiresAt !== undefined || revoked !== undefined;
  }

  /** Aborts with ServerError TOKEN_EXPIRED. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#principal.revoked?.removeEventListener("abort", this.#onRevoked);
  }

  #wait(): void {
    const { expiresAt } = this.#principal;
    if (expiresAt === undefined || this.signal.aborted) return;
    const left = expiresAt - Date.now();
    if (left > 0) {
      this.#timer = setTimeout(() => this.#wait(), Math.min(left, LONGEST_MILLIS)).unref();
    } else {
      this.#end("the credentials expired during the stream: get new ones, and resume the stream");
    }
  }

  #end(message: string): void {
    this[Symbol.dispose]();
    this.#controller.abort(denied("TOKEN_EXPIRED", message));
  }
}
