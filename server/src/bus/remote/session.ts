import { randomUUID } from "node:crypto";
import type { Link, Server } from "./link.ts";

/** Most bytes in flight without confirmation by the server. The session drops messages beyond that. */
const MAX_UNCONFIRMED_BYTES = 1024 * 1024;
/** Cost of a message beyond its bytes: objects and protocol. Bounds the number of small messages, too. */
const MESSAGE_OVERHEAD_BYTES = 200;
const NOTHING = new Uint8Array(0);

export interface SessionEvents {
  /** Messages flow. */
  opened(): void;
  message(topic: string, message: Uint8Array): void;
  /** The session is over: the connection could not be made, was lost, or is dead. This is the last event. */
  lost(error: Error): void;
}

/**
 * One connection, from its start to its end. The session proves that the connection works by sending a message to
 * itself, the probe. A probe that returns shows that the server allows publishing and subscribing, that both directions
 * work, and that the server has taken every earlier message. An open socket or a successful write shows none of this.
 */
export class Session {
  readonly #server: Server;
  readonly #heartbeatMillis: number;
  readonly #events: SessionEvents;
  readonly #link: Link;
  /** A random topic, used by this session alone. */
  readonly #probeTopic = `probe-${randomUUID()}`;
  #state: "connecting" | "probing" | "open" | "over" = "connecting";
  #timer: NodeJS.Timeout | undefined;
  #unconfirmedBytes = 0;
  /** Bytes that the probe under way confirms; undefined if no probe is under way. */
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
    // The client may keep the buffer until the socket takes it, and the publisher may change its own: send a copy.
    this.#link.publish(topic, new Uint8Array(message));
    if (this.#unconfirmedBytes > MAX_UNCONFIRMED_BYTES / 2 && this.#probedBytes === undefined) this.#probe();
  }

  subscribe(topic: string): void {
    // Before the link opens there is nothing to do: `#opened` requests every topic with a listener.
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
    // While the session connects, the timer already runs.
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
    const hint = this.#state === "open" ? "" : "; check the URL, whether the server requires TLS, and the network";
    const timer = setTimeout(() => {
      // After a busy or suspended period, the answer may already wait in a socket. Let Node read the sockets first.
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
