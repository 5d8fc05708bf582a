import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Account, Accounts } from "../budgets/account.ts";

/** The account of each live connection, made with its first call and gone with the connection. */
export class ConnectionAccounts {
  readonly #accounts: Accounts;
  readonly #byConnection = new WeakMap<Socket | Http2Session, Account>();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** The account of the connection that a request came on; the server's own where the connection is gone already. */
  of(request: IncomingMessage | Http2ServerRequest): Account {
    const connection = "stream" in request ? request.stream.session : request.socket;
    if (connection === undefined || connection.destroyed) return this.#accounts.server;
    const known = this.#byConnection.get(connection);
    if (known !== undefined) return known;
    const { remoteAddress } = "socket" in connection ? connection.socket : connection;
    // Sockets of other kinds than TCP have no address: all of them are one.
    const made = this.#accounts.connect(remoteAddress ?? "local");
    this.#byConnection.set(connection, made.account);
    connection.once("close", () => made[Symbol.dispose]());
    return made.account;
  }
}
