import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import type { ServerLimits } from "./limits.ts";

/** The resources that an account counts. */
export type Resource = "streams" | "requestBytes" | "responseBytes";

/** The owner of an account. Outer scopes contain the inner ones. */
export type Scope = "call" | "connection" | "address" | "principal" | "server";

const NOUNS: Record<Resource, string> = {
  streams: "open streams",
  requestBytes: "bytes of unanswered requests",
  responseBytes: "bytes of unread responses",
};
const ADVICE: Record<Scope, string> = {
  call: "try again later",
  connection: "end some calls, or use another connection",
  address: "end some calls, or try again later",
  principal: "end some calls, or try again later",
  server: "try again later",
};
const RETRY_AFTER_MILLIS = 1_000;

const NO_LIMITS: Readonly<Record<Resource, number>> = {
  streams: Number.POSITIVE_INFINITY,
  requestBytes: Number.POSITIVE_INFINITY,
  responseBytes: Number.POSITIVE_INFINITY,
};

/**
 * Counts the resources that one connection, one address, one principal or the server uses. Every amount counts in an
 * account and in its outer ones. So a caller can exhaust its own share and no more. Connections lie inside of
 * addresses, and these inside of the server. The account of an authenticated call lies inside of its connection and of
 * its principal, because principals share connections, and have several.
 */
export class Account {
  readonly #scope: Scope;
  readonly #limits: Readonly<Record<Resource, number>>;
  readonly #outer: Account | undefined;
  readonly #principal: Account | undefined;
  readonly #used: Record<Resource, number> = { streams: 0, requestBytes: 0, responseBytes: 0 };

  constructor(scope: Scope, limits: Readonly<Record<Resource, number>>, outer?: Account, principal?: Account) {
    this.#scope = scope;
    this.#limits = limits;
    this.#outer = outer;
    this.#principal = principal;
  }

  /** Returns an account that counts in this one and in that of a principal. */
  with(principal: Account): Account {
    return new Account("call", NO_LIMITS, this, principal);
  }

  /** True if nothing is in use. */
  get isUnused(): boolean {
    return this.#used.streams === 0 && this.#used.requestBytes === 0 && this.#used.responseBytes === 0;
  }

  /** The amount in use. */
  used(resource: Resource): number {
    return this.#used[resource];
  }

  /** The remaining amount: the minimum over this account and its outer ones. */
  left(resource: Resource): number {
    const own = Math.max(0, this.#limits[resource] - this.#used[resource]);
    const outer = this.#outer === undefined ? own : Math.min(own, this.#outer.left(resource));
    return this.#principal === undefined ? outer : Math.min(outer, this.#principal.left(resource));
  }

  /** True if at least half of this account, or of an outer one, is in use. */
  isHalfUsed(resource: Resource): boolean {
    if (2 * this.#used[resource] >= this.#limits[resource]) return true;
    return this.#outer?.isHalfUsed(resource) === true || this.#principal?.isHalfUsed(resource) === true;
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
    this.#principal?.add(resource, amount);
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
    const outer = this.#outer === undefined ? undefined : this.#outer.#full(resource, amount);
    return outer ?? (this.#principal === undefined ? undefined : this.#principal.#full(resource, amount));
  }

  #refusal(resource: Resource): ServerError {
    const message = `this ${this.#scope} has ${this.#used[resource]} ${NOUNS[resource]}; the limit is ${this.#limits[resource]}: ${ADVICE[this.#scope]}`;
    return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: RETRY_AFTER_MILLIS });
  }
}

/** Accounts of principals beyond which unused ones are dropped. */
const MANY_PRINCIPALS = 1_000;

/** The accounts of one server: its own, and those of the addresses, connections and principals that use it now. */
export class Accounts {
  readonly server: Account;
  readonly #limits: ServerLimits;
  readonly #addresses = new Map<string, { readonly account: Account; connections: number }>();

  constructor(limits: ServerLimits) {
    this.#limits = limits;
    const { streams, requestBytes, responseBytes } = limits;
    this.server = new Account("server", { streams, requestBytes, responseBytes });
  }

  readonly #principals = new Map<string, Account>();
  /** Number of principals at which unused accounts are dropped next. */
  #principalsAtSweep = MANY_PRINCIPALS;

  /** The account of a principal, by its subject. */
  principal(subject: string): Account {
    const known = this.#principals.get(subject);
    if (known !== undefined) return known;
    if (this.#principals.size >= this.#principalsAtSweep) this.#sweep();
    const { streamsPerPrincipal, requestBytesPerPrincipal, responseBytesPerPrincipal } = this.#limits;
    const account = new Account("principal", {
      streams: streamsPerPrincipal,
      requestBytes: requestBytesPerPrincipal,
      responseBytes: responseBytesPerPrincipal,
    });
    this.#principals.set(subject, account);
    return account;
  }

  /** Number of accounts of principals, used or not. */
  get principals(): number {
    return this.#principals.size;
  }

  /**
   * Drops unused accounts of principals. The next sweep waits for twice as many as remain, so that sweeps stay rare.
   */
  #sweep(): void {
    for (const [subject, account] of this.#principals) if (account.isUnused) this.#principals.delete(subject);
    this.#principalsAtSweep = Math.max(MANY_PRINCIPALS, 2 * this.#principals.size);
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
