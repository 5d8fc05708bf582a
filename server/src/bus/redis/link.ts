import type { Redis } from "ioredis";
import type { Link, LinkEvents } from "../remote/link.ts";
import type { ServerUrl } from "../remote/server-url.ts";
import { busError, isReply } from "./bus-error.ts";
import type { RedisClient } from "./client.ts";
import { connectorFor } from "./connector.ts";

/**
 * A link of two connections. In the version of the protocol that all servers speak, a connection with subscriptions
 * accepts no other commands.
 */
export class RedisLink implements Link {
  readonly #serverName: string;
  readonly #prefix: string;
  readonly #events: LinkEvents;
  readonly #subscriber: Redis;
  readonly #publisher: Redis;
  #over = false;

  constructor(client: RedisClient, url: ServerUrl, serverName: string, prefix: string, events: LinkEvents) {
    this.#serverName = serverName;
    this.#prefix = `${prefix}:`;
    this.#events = events;
    this.#subscriber = this.#connection(client, url);
    this.#publisher = this.#connection(client, url);
    this.#subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) => {
      if (!this.#over) events.message(channel.toString("latin1", this.#prefix.length), message);
    });
    Promise.all([signIn(this.#subscriber, url), signIn(this.#publisher, url)]).then(
      () => {
        if (!this.#over) events.opened();
      },
      (error) => {
        // The failure of a connection arrives as an event, with its reason.
        if (isReply(error)) this.#lost(error);
      },
    );
  }

  publish(topic: string, message: Uint8Array): void {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    this.#publisher.publish(this.#prefix + topic, bytes).catch((error) => this.#refused(error));
  }

  subscribe(topic: string): Promise<void> {
    return new Promise((resolve) => {
      this.#subscriber.subscribe(this.#prefix + topic).then(
        () => resolve(),
        (error) => this.#refused(error),
      );
    });
  }

  unsubscribe(topic: string): void {
    this.#subscriber.unsubscribe(this.#prefix + topic).catch((error) => this.#refused(error));
  }

  destroy(): void {
    this.#over = true;
    this.#subscriber.disconnect();
    this.#publisher.disconnect();
  }

  #connection(client: RedisClient, url: ServerUrl): Redis {
    const connection = new client.Redis({
      // With the default, a server that does not close its side keeps a closed connection open for a while.
      Connector: connectorFor(client, url, 1),
      // Makes the library wait for the TLS handshake.
      ...(url.scheme === "rediss" && { tls: {} }),
      protocol: 2,
      lazyConnect: true,
      // The link never reconnects or retries; `Session` and `RemoteBus` do.
      retryStrategy: null,
      enableOfflineQueue: false,
      autoResubscribe: false,
      // These options would send commands that a bus does not need, and that its user may lack the permission for.
      enableReadyCheck: false,
      disableClientInfo: true,
      // The session has a deadline of its own.
      connectTimeout: 0,
    });
    let reason: unknown;
    connection.on("error", (error) => {
      reason ??= error;
    });
    connection.on("end", () => this.#lost(reason));
    return connection;
  }

  /** Handles a failed command. */
  #refused(error: unknown): void {
    if (isReply(error)) this.#lost(error);
  }

  #lost(error: unknown): void {
    if (this.#over) return;
    this.destroy();
    this.#events.lost(busError(this.#serverName, error));
  }
}

/** Connects, and sends AUTH itself: the library writes warnings to the console when it has the password. */
async function signIn(connection: Redis, { user, password }: ServerUrl): Promise<void> {
  await connection.connect();
  if (user !== "") await connection.auth(user, password);
  else if (password !== "") await connection.auth(password);
}
