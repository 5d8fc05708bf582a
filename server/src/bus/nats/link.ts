import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type { Link, LinkEvents } from "../remote/link.ts";
import type { ServerUrl } from "../remote/server-url.ts";
import { busError } from "./bus-error.ts";
import type { NatsClient } from "./client.ts";
import { DialledSockets } from "./dialled-sockets.ts";

export class NatsLink implements Link {
  readonly #serverName: string;
  readonly #prefix: string;
  readonly #events: LinkEvents;
  readonly #sockets = new DialledSockets();
  readonly #subscriptions = new Map<string, Subscription>();
  #connection: NatsConnection | undefined;
  #over = false;

  constructor(client: NatsClient, url: ServerUrl, serverName: string, prefix: string, events: LinkEvents) {
    this.#serverName = serverName;
    this.#prefix = `${prefix}.`;
    this.#events = events;
    this.#sockets
      .during(() => connect(client, url))
      .then(
        (connection) => this.#connected(connection),
        (error) => this.#lost(error),
      );
  }

  publish(topic: string, message: Uint8Array): void {
    try {
      this.#connection?.publish(this.#prefix + topic, message);
    } catch {
      // Either the connection is closed, which `lost` reports, or the message is longer than the server allows.
    }
  }

  async subscribe(topic: string): Promise<void> {
    const callback = (error: Error | null, message: { readonly data: Uint8Array }) => {
      if (error === null && !this.#over) this.#events.message(topic, message.data);
    };
    // The server handles the commands of one connection in order, so later messages find the subscription in place.
    const subscription = this.#connection?.subscribe(this.#prefix + topic, { callback });
    if (subscription !== undefined) this.#subscriptions.set(topic, subscription);
  }

  unsubscribe(topic: string): void {
    this.#subscriptions.get(topic)?.unsubscribe();
    this.#subscriptions.delete(topic);
  }

  destroy(): void {
    this.#over = true;
    this.#connection?.close().catch(() => {});
    this.#sockets.destroy();
  }

  #connected(connection: NatsConnection): void {
    this.#connection = connection;
    if (this.#over) {
      this.destroy();
      return;
    }
    connection.closed().then((error) => this.#lost(error ?? undefined));
    void this.#watch(connection);
    this.#events.opened();
  }

  /** Reports a refusal by the server. Such a refusal fails no call, and does not end the connection. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "error") this.#lost(status.error);
    }
  }

  #lost(error: unknown): void {
    if (this.#over) return;
    this.destroy();
    this.#events.lost(busError(this.#serverName, error));
  }
}

function connect(client: NatsClient, { scheme, host, port, user, password }: ServerUrl): Promise<NatsConnection> {
  return client.connect({
    servers: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    name: "streamkit",
    ...(scheme === "tls" && { tls: {} }),
    ...(password === "" ? user !== "" && { token: user } : { user, pass: password }),
    // The link neither reconnects nor learns of other servers; `Session` and `RemoteBus` decide when to reconnect.
    reconnect: false,
    ignoreClusterUpdates: true,
    // The session has its own deadlines. This is the longest delay that a timer supports.
    timeout: 2 ** 31 - 1,
    pingInterval: 2 ** 31 - 1,
    noAsyncTraces: true,
  });
}
