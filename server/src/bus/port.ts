/**
 * The Bus port: how server instances that share a storage tell each other that something is new.
 *
 * A bus carries hints (`streamkit.notification.v1`), never truth: followers are complete by polling alone, and a bus
 * that loses, delays, repeats, reorders or invents messages changes latency only. So an implementation delivers at most
 * once, without acknowledgement or replay, and drops what it cannot send. Every implementation passes the suite in
 * `contract/`.
 */

/** Publish and subscribe by topic. Safe for concurrent use. */
export interface Bus {
  /** Kind of bus: "memory", "redis", "nats", or one of your own. */
  readonly kind: string;
  /** Where the messages go, for people to read; without secrets. */
  readonly location: string;

  /**
   * Sends a message to everyone who listens to the topic now, this process included. Returns at once and never throws:
   * what cannot be sent soon is dropped, and nothing is queued without bound.
   *
   * @param topic letters, digits and "-", at most 100 characters
   */
  publish(topic: string, message: Uint8Array): void;

  /**
   * Listens to a topic until disposed. Messages that were sent before the subscription has reached the bus are missed;
   * the subscription outlives interruptions of the connection, without what was sent meanwhile. The listener must not
   * throw; the buffer is the listener's.
   */
  subscribe(topic: string, listener: (message: Uint8Array) => void): Disposable;

  /** Releases the connection. Idempotent. Later calls do nothing. */
  close(): Promise<void>;
}
