import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Account, Accounts } from "../budgets/account.ts";

/**
 * Holds one account per live connection. The first call of a connection opens the account; the end of the connection
 * closes it.
 */
export class ConnectionAccounts {
  readonly #accounts: Accounts;
  readonly #byConnection = new WeakMap<Socket | Http2Session, Account>();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /**
   * Returns the account of the connection that carries a request. If the connection has ended, returns the account of
   * the server.
   */
  of(request: IncomingMessage | Http2ServerRequest): Account {
    const connection = "stream" in request ? request.stream.session : request.socket;
    if (connection === undefined || connection.destroyed) return this.#accounts.server;
    const known = this.#byConnection.get(connection);
    if (known !== undefined) return known;
    const { remoteAddress } = "socket" in connection ? connection.socket : connection;
    // Sockets other than TCP have no address; they all count as one address.
    const made = this.#accounts.connect(remoteAddress ?? "local");
    this.#byConnection.set(connection, made.account);
    connection.once("close", () => made[Symbol.dispose]());
    return made.account;
  }
}
