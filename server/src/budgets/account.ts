import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import type { ServerLimits } from "./limits.ts";

/** What an account counts. */
export type Resource = "streams" | "requestBytes" | "responseBytes";

/** Whose use is counted: the outer ones contain the inner ones. */
export type Scope = "connection" | "address" | "server";

const NOUNS: Record<Resource, string> = {
  streams: "open streams",
  requestBytes: "bytes of unanswered requests",
  responseBytes: "bytes of responses that were not read yet",
};
const ADVICE: Record<Scope, string> = {
  connection: "end some calls, or use another connection",
  address: "end some calls, or try again later",
  server: "try again later",
};
const RETRY_AFTER_MILLIS = 1_000;

/**
 * Counts what one connection, one address or the server uses. What an inner account takes, its outer ones take too, so
 * a caller can use up its own share and no more. A principal gets an account between address and server once there is
 * authentication.
 */
export class Account {
  readonly #scope: Scope;
  readonly #limits: Readonly<Record<Resource, number>>;
  readonly #outer: Account | undefined;
  readonly #used: Record<Resource, number> = { streams: 0, requestBytes: 0, responseBytes: 0 };

  constructor(scope: Scope, limits: Readonly<Record<Resource, number>>, outer?: Account) {
    this.#scope = scope;
    this.#limits = limits;
    this.#outer = outer;
  }

  /** What is in use now. */
  used(resource: Resource): number {
    return this.#used[resource];
  }

  /** What is left: the least of this account and its outer ones. */
  left(resource: Resource): number {
    const own = Math.max(0, this.#limits[resource] - this.#used[resource]);
    return this.#outer === undefined ? own : Math.min(own, this.#outer.left(resource));
  }

  /** True when half of this account, or of an outer one, is in use. */
  isHalfUsed(resource: Resource): boolean {
    if (2 * this.#used[resource] >= this.#limits[resource]) return true;
    return this.#outer?.isHalfUsed(resource) ?? false;
  }

  /**
   * Takes an amount, here and in the outer accounts.
   *
   * @throws ServerError OVERLOADED when one of them would pass its limit; then nothing is taken
   */
  take(resource: Resource, amount: number): void {
    const full = this.#full(resource, amount);
    if (full !== undefined) throw full.#refusal(resource);
    this.add(resource, amount);
  }

  /** Takes an amount whatever the limits say: for what exists already. */
  add(resource: Resource, amount: number): void {
    this.#used[resource] += amount;
    this.#outer?.add(resource, amount);
  }

  /** Gives back what was taken. */
  give(resource: Resource, amount: number): void {
    this.add(resource, -amount);
  }

  /** Throws OVERLOADED when nothing is left. */
  check(resource: Resource): void {
    const full = this.#full(resource, 1);
    if (full !== undefined) throw full.#refusal(resource);
  }

  #full(resource: Resource, amount: number): Account | undefined {
    if (this.#used[resource] + amount > this.#limits[resource]) return this;
    return this.#outer === undefined ? undefined : this.#outer.#full(resource, amount);
  }

  #refusal(resource: Resource): ServerError {
    const message = `this ${this.#scope} has ${this.#used[resource]} ${NOUNS[resource]}; the limit is ${this.#limits[resource]}: ${ADVICE[this.#scope]}`;
    return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: RETRY_AFTER_MILLIS });
  }
}

/** The accounts of one server: its own, and those of the addresses and connections that use it now. */
export class Accounts {
  readonly server: Account;
  readonly #limits: ServerLimits;
  readonly #addresses = new Map<string, { readonly account: Account; connections: number }>();

  constructor(limits: ServerLimits) {
    this.#limits = limits;
    const { streams, requestBytes, responseBytes } = limits;
    this.server = new Account("server", { streams, requestBytes, responseBytes });
  }

  /** Number of connections from an address. */
  connections(address: string): number {
    return this.#addresses.get(address)?.connections ?? 0;
  }

  /** The account of a new connection. The caller disposes it when the connection is gone. */
  connect(address: string): { readonly account: Account } & Disposable {
    const limits = this.#limits;
    let from = this.#addresses.get(address);
    if (from === undefined) {
      const perAddress = {
        streams: limits.streamsPerAddress,
        requestBytes: limits.requestBytesPerAddress,
        responseBytes: limits.responseBytesPerAddress,
      };
      from = { account: new Account("address", perAddress, this.server), connections: 0 };
      this.#addresses.set(address, from);
    }
    from.connections++;
    const perConnection = {
      streams: limits.streamsPerConnection,
      requestBytes: limits.requestBytesPerConnection,
      responseBytes: limits.responseBytesPerConnection,
    };
    const used = from;
    return {
      account: new Account("connection", perConnection, used.account),
      [Symbol.dispose]: () => {
        if (--used.connections === 0) this.#addresses.delete(address);
      },
    };
  }
}
