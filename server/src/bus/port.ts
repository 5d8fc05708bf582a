/**
 * The Bus port: server instances that share a storage use it to tell each other that something is new.
 *
 * A bus carries hints (`streamkit.notification.v1`), never truth. Followers read everything by polling alone, so a bus
 * that loses, delays, repeats, reorders or invents messages changes latency only. An implementation therefore delivers
 * at most once, without acknowledgement or replay, and drops messages that it cannot send. Every implementation passes
 * the suite in `contract/`.
 */

/** Publish and subscribe by topic. Safe for concurrent use. */
export interface Bus {
  /** Kind of bus: "memory", "redis", "nats", or one of your own. */
  readonly kind: string;
  /** Where the messages go, for people to read. Holds no secret. */
  readonly location: string;

  /**
   * Sends a message to every current listener of the topic, including those in this process. Returns at once and never
   * throws. The bus drops a message that it cannot send soon, so that no queue grows without bound.
   *
   * @param topic letters, digits and "-", at most 100 characters
   */
  publish(topic: string, message: Uint8Array): void;

  /**
   * Listens to a topic until the result is disposed. The listener misses messages sent before the subscription reaches
   * the bus. The subscription survives interruptions of the connection, without the messages sent meanwhile. The
   * listener must not throw, and owns the buffer it receives.
   */
  subscribe(topic: string, listener: (message: Uint8Array) => void): Disposable;

  /** Releases the connection. Idempotent. Later calls of any method do nothing. */
  close(): Promise<void>;
}
