/**
 * What a remote bus needs of a client library: a connection that is made once and never repaired. When to connect
 * again, what to subscribe to then, and how much may be under way, is decided in one place for all of them
 * (`session.ts`, `bus.ts`).
 */
export interface Link {
  /** Sends without waiting. What cannot be sent is lost; never throws. */
  publish(topic: string, message: Uint8Array): void;
  /**
   * Resolves once the server has it: what is published from then on arrives. Never rejects; a refusal is the link's
   * end.
   */
  subscribe(topic: string): Promise<void>;
  unsubscribe(topic: string): void;
  /** Ends the connection, or the attempt to make one, at once. No event comes after it. Idempotent. */
  destroy(): void;
}

/** None comes from inside a call of `open` or of the link. */
export interface LinkEvents {
  /** The server takes messages and subscriptions. */
  opened(): void;
  message(topic: string, message: Uint8Array): void;
  /** The connection could not be made, or has ended. The last event. The error holds no secret. */
  lost(error: Error): void;
}

/** A server, and how to connect to it. */
export interface Server {
  /** For messages: "Redis at redis://127.0.0.1:6379". */
  readonly name: string;
  open(events: LinkEvents): Link;
}
