/** What a topic is, and who listens to it: the part that all buses of this package have in common. */

export type TopicListener = (message: Uint8Array) => void;

/** Whether this is a topic. Characters that mean something to a server, as wildcards and separators, are in none. */
export function isTopic(topic: string): boolean {
  return /^[A-Za-z0-9-]{1,100}$/.test(topic);
}

/** Told about the topics that somebody listens to. */
export interface TopicChanges {
  /** The topic has its first listener. */
  added(topic: string): void;
  /** The last listener of the topic has gone. */
  removed(topic: string): void;
}

/** The listeners of one bus. */
export class Topics {
  readonly #changes: TopicChanges;
  /** A subscription is an object of its own: the same function may listen twice. */
  readonly #subscriptions = new Map<string, Set<{ readonly listener: TopicListener }>>();

  constructor(changes: TopicChanges = { added() {}, removed() {} }) {
    this.#changes = changes;
  }

  /** Topics that somebody listens to. */
  names(): Iterable<string> {
    return this.#subscriptions.keys();
  }

  /** @throws TypeError for what is no topic: to listen to it is a defect of the caller. */
  add(topic: string, listener: TopicListener): Disposable {
    if (!isTopic(topic)) throw new TypeError('topic: expected 1 to 100 letters, digits and "-"');
    const subscription = { listener };
    const subscriptions = this.#subscriptions.get(topic);
    if (subscriptions !== undefined) {
      subscriptions.add(subscription);
    } else {
      this.#subscriptions.set(topic, new Set([subscription]));
      this.#changes.added(topic);
    }
    return { [Symbol.dispose]: () => this.#remove(topic, subscription) };
  }

  #remove(topic: string, subscription: { readonly listener: TopicListener }): void {
    const subscriptions = this.#subscriptions.get(topic);
    if (!subscriptions?.delete(subscription) || subscriptions.size > 0) return;
    this.#subscriptions.delete(topic);
    this.#changes.removed(topic);
  }

  /** Gives the message to everyone who listens to the topic, each a copy of their own. */
  deliver(topic: string, message: Uint8Array): void {
    // A listener may come or go because of the message: who comes hears the next one, who has gone hears nothing more.
    for (const subscription of [...(this.#subscriptions.get(topic) ?? [])]) {
      if (!this.#subscriptions.get(topic)?.has(subscription)) continue;
      try {
        subscription.listener(new Uint8Array(message));
      } catch {
        // The port forbids it. Whose fault it is must not cost the others their message, nor the bus its connection.
      }
    }
  }

  /** Forgets all listeners. */
  clear(): void {
    this.#subscriptions.clear();
  }
}
