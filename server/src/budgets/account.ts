import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import type { ServerLimits } from "./limits.ts";

/** The resources that an account counts. */
export type Resource = "streams" | "requestBytes" | "responseBytes";

/** The owner of an account. Outer scopes contain the inner ones. */
export type Scope = "connection" | "address" | "server";

const NOUNS: Record<Resource, string> = {
  streams: "open streams",
  requestBytes: "bytes of unanswered requests",
  responseBytes: "bytes of unread responses",
};
const ADVICE: Record<Scope, string> = {
  connection: "end some calls, or use another connection",
  address: "end some calls, or try again later",
  server: "try again later",
};
const RETRY_AFTER_MILLIS = 1_000;

/**
 * Counts the resources that one connection, one address or the server uses. Every amount counts in an account and in
 * its outer ones. So a caller can exhaust its own share and no more. With authentication, principals will get accounts
 * between address and server.
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

  /** The amount in use. */
  used(resource: Resource): number {
    return this.#used[resource];
  }

  /** The remaining amount: the minimum over this account and its outer ones. */
  left(resource: Resource): number {
    const own = Math.max(0, this.#limits[resource] - this.#used[resource]);
    return this.#outer === undefined ? own : Math.min(own, this.#outer.left(resource));
  }

  /** True if at least half of this account, or of an outer one, is in use. */
  isHalfUsed(resource: Resource): boolean {
    if (2 * this.#used[resource] >= this.#limits[resource]) return true;
    return this.#outer?.isHalfUsed(resource) ?? false;
  }

  /**
   * Takes an amount, here and in the outer accounts.
   *
   * @throws ServerError OVERLOADED if an account would exceed its limit; then no account changes
   */
  take(resource: Resource, amount: number): void {
    const full = this.#full(resource, amount);
    if (full !== undefined) throw full.#refusal(resource);
    this.add(resource, amount);
  }

  /** Takes an amount even beyond the limits, for data that exists already. */
  add(resource: Resource, amount: number): void {
    this.#used[resource] += amount;
    this.#outer?.add(resource, amount);
  }

  /** Gives back an amount. */
  give(resource: Resource, amount: number): void {
    this.add(resource, -amount);
  }

  /** @throws ServerError OVERLOADED if nothing is left */
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

  /** The account of a new connection. Dispose it when the connection is gone. */
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
