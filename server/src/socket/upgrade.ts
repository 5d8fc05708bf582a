import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorReason } from "@streamkit/protocol";
import { MAX_SOCKET_MESSAGE_BYTES } from "@streamkit/protocol/transport";
import { type WebSocket, WebSocketServer } from "ws";
import type { Accounts } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";
import { Deadlines } from "../budgets/deadlines.ts";
import type { ServerLimits } from "../budgets/limits.ts";
import type { ServerError } from "../errors.ts";
import type { Events } from "../events.ts";
import { reasonToRefuse } from "../http/caller-check.ts";
import type { AllowedOrigins } from "../http/cors-rules.ts";
import { SOCKET_PATH } from "../http/upgrades.ts";
import { reasonOf, toConnectError } from "../routes/connect-error.ts";
import type { Implementations } from "../routes/implementations.ts";
import type { UpgradeAccess } from "./context.ts";
import { watchLiveness } from "./liveness.ts";
import { Session } from "./session.ts";
import { accessOf, type CheckedUpgrade, checkUpgrade } from "./upgrade-access.ts";

const SUBPROTOCOL = "streamkit.v1";
/** Time limit for the client to answer a close, in milliseconds. */
const CLOSE_MILLIS = 2_000;
const MAX_FRAGMENTS = 1_024;
/** Unread bytes of a client beyond which its pings get no answer. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const RETRY_AFTER_SECONDS = 1;

const CODES: Readonly<Record<number, string>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  503: "unavailable",
};

export interface SocketsOptions {
  readonly implementations: Implementations;
  readonly admission: Admission;
  readonly events: Events;
  readonly limits: ServerLimits;
  readonly accounts: Accounts;
  /** Origins whose pages may call from a browser. */
  readonly origins: AllowedOrigins | undefined;
}

/** A request for an upgrade, and the settings of the server that received it. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly connection: Duplex;
  readonly head: Buffer;
  readonly isKnownHost: (hostname: string) => boolean;
  /** Interval at which the server checks that the client is alive, in milliseconds. */
  readonly keepAliveMillis: number;
}

/** The answer to an upgrade that opens no socket. */
interface Refusal {
  readonly status: number;
  readonly message: string;
  /** The error of the body. Default: one with the code of the status, and the message. */
  readonly error?: ConnectError;
  /** Value of `WWW-Authenticate`. */
  readonly challenge?: string | undefined;
}

/** The open sockets of a server. */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #server: WebSocketServer;
  readonly #open = new Map<Session, WebSocket>();
  /** Deadlines of sockets that opened without credentials. */
  readonly #anonymous: Deadlines;
  readonly #byAddress = new Map<string, number>();
  #stopped = false;

  constructor(options: SocketsOptions) {
    this.#options = options;
    const serverOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_SOCKET_MESSAGE_BYTES,
      maxFragments: MAX_FRAGMENTS,
      skipUTF8Validation: true,
      closeTimeout: CLOSE_MILLIS,
      autoPong: false,
      handleProtocols: () => SUBPROTOCOL,
    };
    this.#server = new WebSocketServer(serverOptions);
    this.#server.on("wsClientError", (error, connection) => {
      this.#refuse(connection, { status: 400, message: error.message });
    });
    this.#anonymous = new Deadlines(options.limits.requestMillis);
  }

  /** Opens a socket or refuses it. Returns false for other paths, without any effect. */
  upgrade(upgrade: Upgrade): boolean {
    const { request, connection } = upgrade;
    if (request.url?.split("?", 1)[0] !== SOCKET_PATH) return false;
    // Without this listener, the error of a broken connection would end the process.
    connection.on("error", () => undefined);
    const address = addressOf(request);
    const refusal = this.#reasonToRefuse(upgrade, address);
    if (refusal !== undefined) {
      this.#refuse(connection, refusal);
      return true;
    }
    const access = accessOf(request);
    const checked = checkUpgrade(this.#options.admission, access);
    if (checked instanceof Promise) {
      // The server may have stopped, or be full, since the request arrived.
      void checked.then((late) => this.#answer(upgrade, access, late, this.#reasonToRefuse(upgrade, address)));
    } else this.#answer(upgrade, access, checked);
    return true;
  }

  #answer(upgrade: Upgrade, access: UpgradeAccess, checked: CheckedUpgrade, refusal?: Refusal): void {
    const { request, connection, head } = upgrade;
    if (refusal !== undefined) this.#refuse(connection, refusal);
    else if ("refusal" in checked) this.#refuse(connection, refusalOf(checked.refusal));
    else {
      this.#server.handleUpgrade(request, connection, head, (socket) =>
        this.#opened(socket, upgrade, access, checked.isKnown),
      );
    }
  }

  /** Tells all clients to use another server. */
  goAway(): void {
    this.#stopped = true;
    for (const session of this.#open.keys()) session.goAway();
  }

  /** Waits up to `graceMillis` milliseconds for open calls, then ends every socket. */
  async close(graceMillis: number): Promise<void> {
    this.goAway();
    const closed = [...this.#open.values()].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const session of [...this.#open.keys()]) session.finish();
    const timer = setTimeout(() => {
      for (const socket of this.#open.values()) socket.terminate();
    }, graceMillis);
    await Promise.all(closed);
    clearTimeout(timer);
  }

  #opened(socket: WebSocket, upgrade: Upgrade, access: UpgradeAccess, isKnown: boolean): void {
    const { request, connection, keepAliveMillis } = upgrade;
    const { implementations, admission, events, limits, accounts } = this.#options;
    const address = addressOf(request);
    const peer = accounts.connect(address);
    const parts = { implementations, admission, events, limits };
    const session = new Session(socket, { ...parts, account: peer.account, upgrade: access });
    if (!isKnown) session.expectPrincipal(this.#anonymous);
    this.#open.set(session, socket);
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    const stopPings = watchLiveness(socket, request.socket ?? connection, keepAliveMillis, () =>
      session.close(4408, "the client answered no ping"),
    );
    socket.on("message", (data, isBinary) => session.receive(data as Buffer, isBinary));
    socket.on("ping", (data) => {
      session.pinged();
      // The pongs for a client that reads nothing would accumulate.
      if (socket.bufferedAmount < MAX_UNREAD_BYTES) socket.pong(data);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Clients may break their connections.
      if (error.code?.startsWith("WS_ERR_") !== true) return;
      events.report({
        level: "info",
        kind: "connection-refused",
        message: `a WebSocket broke the protocol: ${error.message}`,
      });
    });
    socket.once("close", () => {
      stopPings();
      session.end();
      this.#open.delete(session);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
      peer[Symbol.dispose]();
    });
    if (this.#stopped) session.goAway();
  }

  #reasonToRefuse({ request, isKnownHost }: Upgrade, address: string): Refusal | undefined {
    const { origins, limits } = this.#options;
    const refusal = reasonToRefuse(request, isKnownHost, origins);
    if (refusal !== undefined) return refusal;
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (!offered.includes(SUBPROTOCOL)) {
      return {
        status: 400,
        message: `the upgrade offers no subprotocol that this server speaks; expected ${SUBPROTOCOL}`,
      };
    }
    if (this.#stopped) return { status: 503, message: "the server is shutting down" };
    const fromAddress = this.#byAddress.get(address) ?? 0;
    if (this.#open.size >= limits.connections) {
      return { status: 503, message: `all ${limits.connections} connections (limits.connections) are in use` };
    }
    if (fromAddress >= limits.connectionsPerAddress) {
      const message = `this address has ${fromAddress} sockets (limits.connectionsPerAddress)`;
      return { status: 503, message };
    }
    return undefined;
  }

  /** Answers with a Connect error, in the same form as the port's refusals of calls. */
  #refuse(connection: Duplex, { status, message, error, challenge }: Refusal): void {
    const { events } = this.#options;
    events.report({ level: "info", kind: "request-refused", message });
    if (error !== undefined) events.refused(reasonOf(error) ?? ErrorReason.UNSPECIFIED);
    const json = error === undefined ? { code: CODES[status] ?? "unknown", message } : errorToJson(error, undefined);
    const body = Buffer.from(JSON.stringify(json));
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "content-type: application/json",
      `content-length: ${body.length}`,
      ...(challenge === undefined ? [] : [`www-authenticate: ${challenge}`]),
      ...(status === 503 ? [`retry-after: ${RETRY_AFTER_SECONDS}`] : []),
      "connection: close",
    ];
    connection.once("finish", () => connection.destroy());
    connection.end(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]));
  }
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "local";
}

/** Returns the answer to an upgrade with bad credentials, or whose credentials cannot be checked now. */
function refusalOf(error: ServerError): Refusal {
  const { challenge } = error.facts;
  const status = challenge === undefined ? 503 : 401;
  return { status, message: error.message, error: toConnectError(error), challenge };
}
