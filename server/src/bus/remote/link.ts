/**
 * One connection of a client library: made once and never repaired. `session.ts` and `bus.ts` decide for all libraries
 * when to reconnect, which topics to subscribe to then, and how many bytes may be under way.
 */
export interface Link {
  /** Sends without waiting. Drops a message that it cannot send. Never throws. */
  publish(topic: string, message: Uint8Array): void;
  /**
   * Resolves once the server has the subscription: messages published afterwards arrive. Never rejects; a refusal ends
   * the link.
   */
  subscribe(topic: string): Promise<void>;
  unsubscribe(topic: string): void;
  /** Ends the connection, or the attempt to make one, at once. No event follows. Idempotent. */
  destroy(): void;
}

/** No event fires inside a call of `open` or of a method of the link. */
export interface LinkEvents {
  /** The server accepts messages and subscriptions. */
  opened(): void;
  message(topic: string, message: Uint8Array): void;
  /** The connection could not be made, or has ended. This is the last event. The error holds no secret. */
  lost(error: Error): void;
}

/** A server, and how to connect to it. */
export interface Server {
  /** For messages, such as "Redis at redis://127.0.0.1:6379". */
  readonly name: string;
  open(events: LinkEvents): Link;
}
