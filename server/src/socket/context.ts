import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AccessRequest } from "../access/principal.ts";
import type { Account } from "../budgets/account.ts";
import { peerKey } from "../budgets/peer.ts";
import { LazyContext } from "../routes/lazy-context.ts";
import { type Header, headerOf, mergedHeaders } from "./headers.ts";

export interface SocketContextOptions {
  readonly path: string;
  readonly method: DescMethod;
  readonly account: Account;
  readonly socketHeaders: readonly Header[];
  readonly headers: readonly Header[];
  /** The request that opened the socket, as authentication sees it. */
  readonly upgrade: UpgradeAccess;
  /** Time limit of the call in milliseconds; 0 for no limit. */
  readonly timeoutMillis: number;
}

/** The request that opened a socket, as authentication sees it. */
export type UpgradeAccess = Omit<AccessRequest, "transport">;

/** The context of one call of a socket. */
export class SocketContext extends LazyContext {
  readonly protocolName = "websocket";
  readonly url: string;
  readonly #socketHeaders: readonly Header[];
  readonly #headers: readonly Header[];
  readonly #onLate: ((error: ConnectError) => void)[] = [];
  readonly #timer: NodeJS.Timeout | undefined;

  readonly #upgrade: UpgradeAccess;

  constructor({ path, method, account, socketHeaders, headers, upgrade, timeoutMillis }: SocketContextOptions) {
    super(method, timeoutMillis === 0 ? undefined : timeoutMillis);
    // Only the path matters. The server checked the host name when it opened the socket.
    this.url = `http://streamkit.invalid${path}`;
    this.values.set(peerKey, { account });
    this.#socketHeaders = socketHeaders;
    this.#headers = headers;
    this.#upgrade = upgrade;
    if (timeoutMillis !== 0) this.#timer = setTimeout(() => this.#late(), timeoutMillis);
  }

  /** Calls a function when the deadline of the call has passed, after the call was aborted. */
  onLate(action: (error: ConnectError) => void): void {
    this.#onLate.push(action);
  }

  /**
   * Describes the call for authentication. Headers of the call replace those of the socket, and these replace headers
   * of the upgrade, which browsers cannot set.
   */
  accessRequest(): AccessRequest {
    const get = (name: string) =>
      headerOf(this.#headers, name) ?? headerOf(this.#socketHeaders, name) ?? this.#upgrade.headers.get(name);
    return { ...this.#upgrade, headers: { get }, transport: "websocket" };
  }

  /** Stops the timer of the deadline, because the answer is known. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Stops the timer, and aborts the work of a call that has ended without an answer. Returns the reason of the abort.
   */
  cancel(): Error {
    this.stop();
    return this.abort(new ConnectError("the client ended the call", Code.Canceled));
  }

  protected readHeaders(): Headers {
    return mergedHeaders(this.#socketHeaders, this.#headers);
  }

  #late(): void {
    const error = new ConnectError("the operation timed out", Code.DeadlineExceeded);
    this.abort(error);
    for (const action of this.#onLate) action(error);
  }
}
