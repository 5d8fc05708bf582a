import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { MAX_SOCKET_MESSAGE_BYTES } from "@streamkit/protocol/transport";
import { type WebSocket, WebSocketServer } from "ws";
import type { Accounts } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";
import type { ServerLimits } from "../budgets/limits.ts";
import type { Events } from "../events.ts";
import { reasonToRefuse } from "../http/caller-check.ts";
import type { AllowedOrigins } from "../http/cors-rules.ts";
import { SOCKET_PATH } from "../http/upgrades.ts";
import type { Implementations } from "../routes/implementations.ts";
import { watchLiveness } from "./liveness.ts";
import { Session } from "./session.ts";

const SUBPROTOCOL = "streamkit.v1";
/** Time limit for the client to answer a close, in milliseconds. */
const CLOSE_MILLIS = 2_000;
const MAX_FRAGMENTS = 1_024;
/** Unread bytes of a client beyond which its pings get no answer. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const RETRY_AFTER_SECONDS = 1;

const CODES: Readonly<Record<number, string>> = {
  400: "invalid_argument",
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

/** The open sockets of a server. */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #server: WebSocketServer;
  readonly #open = new Map<Session, WebSocket>();
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
    this.#server.on("wsClientError", (error, connection) => this.#refuse(connection, 400, error.message));
  }

  /** Opens a socket or refuses it. Returns false for other paths, without any effect. */
  upgrade(upgrade: Upgrade): boolean {
    const { request, connection, head } = upgrade;
    if (request.url?.split("?", 1)[0] !== SOCKET_PATH) return false;
    // Without this listener, the error of a broken connection would end the process.
    connection.on("error", () => undefined);
    const address = request.socket.remoteAddress ?? "local";
    const refusal = this.#reasonToRefuse(upgrade, address);
    if (refusal !== undefined) this.#refuse(connection, refusal.status, refusal.message);
    else {
      this.#server.handleUpgrade(request, connection, head, (socket) => this.#opened(socket, upgrade, address));
    }
    return true;
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

  #opened(socket: WebSocket, { request, connection, keepAliveMillis }: Upgrade, address: string): void {
    const { implementations, admission, events, limits, accounts } = this.#options;
    const peer = accounts.connect(address);
    const session = new Session(socket, { implementations, admission, events, limits, account: peer.account });
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

  #reasonToRefuse({ request, isKnownHost }: Upgrade, address: string) {
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
  #refuse(connection: Duplex, status: number, message: string): void {
    this.#options.events.report({ level: "info", kind: "request-refused", message });
    const body = Buffer.from(JSON.stringify({ code: CODES[status] ?? "unknown", message }));
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "content-type: application/json",
      `content-length: ${body.length}`,
      ...(status === 503 ? [`retry-after: ${RETRY_AFTER_SECONDS}`] : []),
      "connection: close",
    ];
    connection.once("finish", () => connection.destroy());
    connection.end(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]));
  }
}
