import type { Redis } from "ioredis";
import type { Link, LinkEvents } from "../remote/link.ts";
import type { ServerUrl } from "../remote/server-url.ts";
import { busError, isReply } from "./bus-error.ts";
import type { RedisClient } from "./client.ts";
import { connectorFor } from "./connector.ts";

/** Two connections: one that subscribes can do nothing else, in the version of the protocol that all servers speak. */
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
        // The failure of a connection comes as an event, with its reason.
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
      // Otherwise a server that does not close its side keeps a closed connection open for a while.
      Connector: connectorFor(client, url, 1),
      // So that it waits for the handshake.
      ...(url.scheme === "rediss" && { tls: {} }),
      protocol: 2,
      lazyConnect: true,
      // Nothing is repaired or repeated here; `Session` and `RemoteBus` do that.
      retryStrategy: null,
      enableOfflineQueue: false,
      autoResubscribe: false,
      // Commands that a bus has no need for, and that a user made for it may not be allowed.
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

  /** A command has failed. */
  #refused(error: unknown): void {
    if (isReply(error)) this.#lost(error);
  }

  #lost(error: unknown): void {
    if (this.#over) return;
    this.destroy();
    this.#events.lost(busError(this.#serverName, error));
  }
}

/** Connects, and authenticates by hand: given the password, the library writes warnings to the console. */
async function signIn(connection: Redis, { user, password }: ServerUrl): Promise<void> {
  await connection.connect();
  if (user !== "") await connection.auth(user, password);
  else if (password !== "") await connection.auth(password);
}
