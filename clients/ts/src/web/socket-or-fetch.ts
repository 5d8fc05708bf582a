import type { Transport } from "@connectrpc/connect";
import { toStreamkitError } from "../errors/from-connect.ts";

/** A transport over a socket that can be opened before its first call. */
export interface ConnectingTransport extends Transport {
  /** Rejects if no socket opens. */
  connect(): Promise<void>;
}

/**
 * A transport that uses a WebSocket, and fetch while no WebSocket opens and fetch gets answers: a proxy on the way, or
 * the server, refuses upgrades. It looks again after each call without an answer.
 */
export class SocketOrFetch implements Transport {
  readonly #load: () => Promise<ConnectingTransport>;
  readonly #fetch: Transport;
  #socket: ConnectingTransport | undefined;
  #choice: "websocket" | "fetch" | undefined;

  /** @param load makes the transport over a WebSocket; called again if it fails */
  constructor(load: () => Promise<ConnectingTransport>, fetch: Transport) {
    this.#load = load;
    this.#fetch = fetch;
  }

  /** The protocol of calls; `undefined` before the first call, and after a call without an answer. */
  get choice(): "websocket" | "fetch" | undefined {
    return this.#choice;
  }

  /** True if calls use a WebSocket. Opens one to find out. */
  async usesSocket(): Promise<boolean> {
    if (this.#choice !== undefined) return this.#choice === "websocket";
    return (await this.#opened()) !== undefined;
  }

  readonly unary: Transport["unary"] = (...call) => this.#run((transport) => transport.unary(...call));
  readonly stream: Transport["stream"] = (...call) => this.#run((transport) => transport.stream(...call));

  async #run<R>(call: (transport: Transport) => Promise<R>): Promise<R> {
    const socket = this.#choice === "fetch" ? undefined : await this.#opened();
    const choice = socket === undefined ? "fetch" : "websocket";
    try {
      const answer = await call(socket ?? this.#fetch);
      this.#choice = choice;
      return answer;
    } catch (thrown) {
      const { reason } = toStreamkitError(thrown);
      this.#choice = reason === "CONNECTION_LOST" || reason === "MISCONFIGURED" ? undefined : choice;
      throw thrown;
    }
  }

  /** The transport over a WebSocket, with an open socket. */
  async #opened(): Promise<ConnectingTransport | undefined> {
    try {
      this.#socket ??= await this.#load();
      if (this.#choice === undefined) await this.#socket.connect();
      return this.#socket;
    } catch {
      // Fetch has the call now; its failure says more than that of a WebSocket.
      return undefined;
    }
  }
}
