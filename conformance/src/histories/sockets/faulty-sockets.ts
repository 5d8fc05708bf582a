import type { Transport } from "@connectrpc/connect";
import { createWebSocketTransport, type WebSocketTransport } from "@streamkit/client/websocket";
import { Protocol } from "@streamkit/protocol/conformance";
import { type FlakyProxy, flakyProxy } from "../../lab/flaky-proxy.ts";
import type { ClientFactory } from "../../suite/client/client-under-test.ts";
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { nodeTransports } from "../../suite/client/transports.ts";
import type { Target } from "../../suite/run/session.ts";
import type { ServerUnderTest } from "../../suite/server/server-under-test.ts";
import { SocketNemesis } from "./socket-nemesis.ts";
import { planSocketTrouble } from "./socket-trouble.ts";

/** Sockets per instance. Actors share them, so that one fault hits calls of writers, readers and followers together. */
const SOCKETS = 3;

/** Short times, because no silent socket comes back. A busy machine still answers within them. */
const TIMES = { openTimeoutMillis: 2_000, pingIntervalMillis: 1_000, pingTimeoutMillis: 2_000 };

/**
 * Codes of failures without details over WebSocket: the client makes them when a socket breaks, and when a call ends
 * before its answer.
 */
export const SOCKET_CODES: ReadonlySet<string> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELED"]);

export interface FaultySocketsOptions {
  /** Number of faults. With any, the clients share sockets that pass a fault proxy. Default: 0. */
  readonly cuts?: number | undefined;
  /** Wraps the transport of a broken client. */
  readonly wrapTransport?: ((transport: Transport) => Transport) | undefined;
}

/** Fault proxies in front of servers, and a client that reaches them over WebSocket. */
export class FaultySockets implements AsyncDisposable {
  readonly #servers: readonly ServerUnderTest[];
  readonly #proxies: readonly FlakyProxy[];
  readonly #cuts: number;
  readonly #wrap: (transport: Transport) => Transport;
  /** The transports by URL of the proxy. Each has one socket at a time. */
  readonly #transports = new Map<string, WebSocketTransport[]>();

  private constructor(
    servers: readonly ServerUnderTest[],
    proxies: readonly FlakyProxy[],
    { cuts = 0, wrapTransport = (same) => same }: FaultySocketsOptions,
  ) {
    this.#cuts = cuts;
    this.#servers = servers;
    this.#proxies = proxies;
    this.#wrap = wrapTransport;
  }

  /**
   * Starts a proxy for each server if there are cuts. A server must keep its port when it starts again.
   *
   * @throws Error if there are cuts, and the transport is not "websocket" or a server is not at 127.0.0.1
   */
  static async start(
    servers: readonly ServerUnderTest[],
    transport: string,
    options: FaultySocketsOptions,
  ): Promise<FaultySockets | undefined> {
    const { cuts = 0 } = options;
    if (cuts === 0) return undefined;
    if (transport !== "websocket") throw new Error(`there are no cuts over ${transport}: expected "websocket"`);
    const ports = servers.map(({ url }) => portOf(url));
    const proxies = await Promise.all(ports.map((port) => flakyProxy(port)));
    return new FaultySockets(servers, proxies, options);
  }

  /** The servers behind the proxies. Their generation stays, because clients must connect again by themselves. */
  get target(): Target {
    const instances = this.#servers.map(({ name, capabilities }, index) => ({
      ...{ name, capabilities, url: this.#proxies[index].url, generation: 0 },
      act: (control: Parameters<ServerUnderTest["act"]>[0]) => this.#servers[index].act(control),
      close: async () => {},
    }));
    // The client gets its transports from here, as it does for servers in this process.
    return { instances, token: "", protocol: Protocol.IN_PROCESS };
  }

  readonly client: ClientFactory = async (observe) =>
    new ConnectClient(
      observe,
      nodeTransports((url) => this.#transport(url)),
    );

  nemesis(plan: { readonly seed: number; readonly writes: number }): SocketNemesis {
    const instances = this.#proxies.length;
    return new SocketNemesis(this.#proxies, planSocketTrouble({ ...plan, instances }, this.#cuts));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const transport of [...this.#transports.values()].flat()) transport.close();
    await Promise.all(this.#proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  /** Gives the sockets to the actors in turn. */
  #transport(url: string): Transport {
    const transports = this.#transports.get(url) ?? [];
    this.#transports.set(url, transports);
    const transport =
      transports.length < SOCKETS ? createWebSocketTransport({ baseUrl: url, ...TIMES }) : transports.shift()!;
    transports.push(transport);
    return this.#wrap(transport);
  }
}

function portOf(url: string): number {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === "http:" && ["127.0.0.1", "localhost"].includes(hostname) && port !== "") return Number(port);
  throw new Error(`the fault proxy cannot reach ${url}: expected http://127.0.0.1:PORT, or no cuts`);
}
