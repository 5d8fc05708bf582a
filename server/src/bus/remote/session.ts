import { randomUUID } from "node:crypto";
import type { Link, Server } from "./link.ts";

/** Most bytes that are sent without knowing that the server has taken them. A message beyond is dropped. */
const MAX_UNCONFIRMED_BYTES = 1024 * 1024;
/** What a message costs beside its bytes: objects and protocol. Keeps many small ones within the bound. */
const MESSAGE_OVERHEAD_BYTES = 200;
const NOTHING = new Uint8Array(0);

export interface SessionEvents {
  /** Messages go round. */
  opened(): void;
  message(topic: string, message: Uint8Array): void;
  /** The session is over: the connection could not be made, was lost, or is dead. The last event. */
  lost(error: Error): void;
}

/**
 * The life of one connection, which is proved by a message to oneself, the probe. Its return shows that publishing and
 * subscribing are possible and allowed, that both ways are open, and that the server has taken everything sent before.
 * Neither an open socket nor a write that succeeded shows any of these.
 */
export class Session {
  readonly #server: Server;
  readonly #heartbeatMillis: number;
  readonly #events: SessionEvents;
  readonly #link: Link;
  /** A topic that nobody else knows. */
  readonly #probeTopic = `probe-${randomUUID()}`;
  #state: "connecting" | "probing" | "open" | "over" = "connecting";
  #timer: NodeJS.Timeout | undefined;
  #unconfirmedBytes = 0;
  /** Bytes that the probe under way confirms; undefined when none is. */
  #probedBytes: number | undefined;

  constructor(server: Server, topics: () => Iterable<string>, heartbeatMillis: number, events: SessionEvents) {
    this.#server = server;
    this.#heartbeatMillis = heartbeatMillis;
    this.#events = events;
    this.#link = server.open({
      opened: () => this.#opened(topics()),
      message: (topic, message) => this.#message(topic, message),
      lost: (error) => this.#lost(error),
    });
    this.#expectAnswer();
  }

  publish(topic: string, message: Uint8Array): void {
    if (this.#state !== "open") return;
    const bytes = topic.length + message.length + MESSAGE_OVERHEAD_BYTES;
    if (this.#unconfirmedBytes + bytes > MAX_UNCONFIRMED_BYTES) return;
    this.#unconfirmedBytes += bytes;
    // A copy: the client may keep it until the socket takes it, and the publisher may write to its own.
    this.#link.publish(topic, new Uint8Array(message));
    if (this.#unconfirmedBytes > MAX_UNCONFIRMED_BYTES / 2 && this.#probedBytes === undefined) this.#probe();
  }

  subscribe(topic: string): void {
    // Before that, it is among the topics asked for when the link opens.
    if (this.#state === "probing" || this.#state === "open") void this.#link.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (this.#state === "probing" || this.#state === "open") this.#link.unsubscribe(topic);
  }

  /** Ends at once, without an event. */
  destroy(): void {
    this.#state = "over";
    clearTimeout(this.#timer);
    this.#link.destroy();
  }

  #opened(topics: Iterable<string>): void {
    if (this.#state === "over") return;
    this.#state = "probing";
    for (const topic of topics) void this.#link.subscribe(topic);
    this.#link.subscribe(this.#probeTopic).then(() => this.#probe());
  }

  #probe(): void {
    if (this.#state === "over") return;
    this.#probedBytes = this.#unconfirmedBytes;
    this.#link.publish(this.#probeTopic, NOTHING);
    // While connecting, the time runs already.
    if (this.#state === "open") this.#expectAnswer();
  }

  #message(topic: string, message: Uint8Array): void {
    if (this.#state === "over") return;
    if (topic === this.#probeTopic) this.#answered();
    else this.#events.message(topic, message);
  }

  #answered(): void {
    if (this.#probedBytes === undefined) return;
    this.#unconfirmedBytes -= this.#probedBytes;
    this.#probedBytes = undefined;
    clearTimeout(this.#timer);
    if (this.#unconfirmedBytes > MAX_UNCONFIRMED_BYTES / 2) this.#probe();
    else this.#timer = setTimeout(() => this.#probe(), this.#heartbeatMillis);
    if (this.#state !== "probing") return;
    this.#state = "open";
    this.#events.opened();
  }

  #expectAnswer(): void {
    clearTimeout(this.#timer);
    const hint = this.#state === "open" ? "" : "; check the URL, also whether it asks for TLS, and the network";
    const timer = setTimeout(() => {
      // If this process was busy or asleep for so long, the answer may be here: let the sockets be read first.
      setImmediate(() => {
        if (this.#timer !== timer) return;
        this.#lost(new Error(`${this.#server.name} does not answer within ${this.#heartbeatMillis} ms${hint}`));
      });
    }, this.#heartbeatMillis);
    this.#timer = timer;
  }

  #lost(error: Error): void {
    if (this.#state === "over") return;
    this.destroy();
    this.#events.lost(error);
  }
}
