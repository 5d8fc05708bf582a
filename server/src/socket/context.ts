import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { Account } from "../budgets/account.ts";
import { peerKey } from "../budgets/peer.ts";
import { type Header, mergedHeaders } from "./headers.ts";

export interface SocketContextOptions {
  readonly path: string;
  readonly method: DescMethod;
  readonly account: Account;
  readonly socketHeaders: readonly Header[];
  readonly headers: readonly Header[];
  /** Time limit of the call in milliseconds; 0 for no limit. */
  readonly timeoutMillis: number;
}

/** The context of one call of a socket. It creates headers, signal and timer only when code needs them. */
export class SocketContext implements HandlerContext {
  readonly method: DescMethod;
  readonly requestMethod = "POST";
  readonly protocolName = "websocket";
  readonly values = createContextValues();
  readonly url: string;
  readonly timeoutMs: () => number | undefined;
  readonly #socketHeaders: readonly Header[];
  readonly #headers: readonly Header[];
  readonly #onLate: ((error: ConnectError) => void)[] = [];
  readonly #timer: NodeJS.Timeout | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #controller: AbortController | undefined;
  #reason: ConnectError | undefined;

  constructor({ path, method, account, socketHeaders, headers, timeoutMillis }: SocketContextOptions) {
    this.method = method;
    // Only the path matters. The server checked the host name when it opened the socket.
    this.url = `http://streamkit.invalid${path}`;
    this.values.set(peerKey, { account });
    this.#socketHeaders = socketHeaders;
    this.#headers = headers;
    const due = timeoutMillis === 0 ? undefined : Date.now() + timeoutMillis;
    this.timeoutMs = () => (due === undefined ? undefined : due - Date.now());
    if (due !== undefined) this.#timer = setTimeout(() => this.#late(), timeoutMillis);
  }

  get service() {
    return this.method.parent;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= mergedHeaders(this.#socketHeaders, this.#headers);
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

  /** Calls a function when the deadline of the call has passed, after the signal was aborted. */
  onLate(action: (error: ConnectError) => void): void {
    this.#onLate.push(action);
  }

  /** Stops the timer of the deadline, because the answer is known. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Stops the timer, and aborts the work of a call that has ended without an answer. Returns the reason of the abort.
   */
  cancel(): ConnectError {
    this.stop();
    return this.#abort(new ConnectError("the client ended the call", Code.Canceled));
  }

  #abort(reason: ConnectError): ConnectError {
    if (this.#reason !== undefined) return this.#reason;
    this.#reason = reason;
    this.#controller?.abort(reason);
    return reason;
  }

  #late(): void {
    const error = new ConnectError("the operation timed out", Code.DeadlineExceeded);
    this.#abort(error);
    for (const action of this.#onLate) action(error);
  }
}
