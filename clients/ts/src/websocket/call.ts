import { Code, ConnectError } from "@connectrpc/connect";
import type { Header, ReadResult } from "./answers.ts";
import type { Connection, ConnectionCall } from "./connection.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import { now } from "./platform.ts";
import type { EncodedRequest } from "./wire.ts";

/** The arguments of a call. */
export interface CallStart {
  readonly path: Uint8Array;
  readonly headers: Uint8Array;
  readonly message: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMillis: number | undefined;
  readonly deadlines: Deadlines;
}

/** A call, from before it has a connection to its end: its signal, its deadline, and the headers of its answer. */
export abstract class Call implements ConnectionCall, Expiring {
  protected readonly start: CallStart;
  protected connection: Connection | undefined;
  protected id = 0;
  protected headers: readonly Header[] = [];
  protected trailers: readonly Header[] = [];
  protected isOver = false;
  readonly #endsAt: number;
  readonly #onAbort: (() => void) | undefined;

  constructor(start: CallStart) {
    this.start = start;
    const { signal, timeoutMillis, deadlines } = start;
    this.#endsAt = timeoutMillis === undefined ? Number.POSITIVE_INFINITY : now() + timeoutMillis;
    if (timeoutMillis !== undefined) deadlines.add(this, this.#endsAt);
    if (signal === undefined) return;
    this.#onAbort = () => this.cancel(ConnectError.from(signal.reason, Code.Canceled));
    signal.addEventListener("abort", this.#onAbort);
  }

  /** Ends a call whose signal has fired before it began, or whose time is over. */
  endIfDue(): void {
    const { signal, timeoutMillis = 1 } = this.start;
    if (signal?.aborted) this.#onAbort?.();
    else if (timeoutMillis <= 0) this.expire();
  }

  /** Sends the request, unless the call has ended while it waited for the connection. */
  begin(connection: Connection): void {
    if (this.isOver) return;
    if (!connection.isOpen) {
      this.fail(new ConnectError("the connection broke", Code.Unavailable));
      return;
    }
    this.connection = connection;
    const { path, headers, message } = this.start;
    const left = this.#endsAt - now();
    const timeoutMillis = left === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(left));
    const request: EncodedRequest = { path, headers, message, timeoutMillis };
    this.id = connection.begin(this, request);
    this.begun(connection);
  }

  onHeaders(headers: readonly Header[]): void {
    this.headers = headers;
  }

  onResult(result: ReadResult): void {
    const { rest } = result;
    if (rest !== undefined) {
      if (rest.headers.length > 0) this.headers = rest.headers;
      this.trailers = rest.trailers;
    }
    this.#over();
    this.ended(result);
  }

  onBroken(error: Error): void {
    this.fail(error);
  }

  onSent(): void {}

  expire(): void {
    this.cancel(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  /** Ends the call on this side, and resets it on the server. */
  cancel(error: ConnectError): void {
    if (this.isOver) return;
    this.connection?.reset(this.id);
    this.fail(error);
  }

  /** Ends the call with an error in place of its answer, or of the rest of it. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.#over();
    this.failed(error);
  }

  abstract onMessage(message: Uint8Array): void;
  /** Notes that the whole request has left. */
  protected abstract begun(connection: Connection): void;
  protected abstract ended(result: ReadResult): void;
  protected abstract failed(error: unknown): void;

  #over(): void {
    this.isOver = true;
    const { signal, timeoutMillis, deadlines } = this.start;
    if (timeoutMillis !== undefined) deadlines.remove(this);
    if (this.#onAbort !== undefined) signal?.removeEventListener("abort", this.#onAbort);
  }
}
