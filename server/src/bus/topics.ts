/** Topics and their listeners: the part that all buses of this package share. */

export type TopicListener = (message: Uint8Array) => void;

/**
 * True for a valid topic: 1 to 100 letters, digits and "-". Servers give a meaning to other characters, as wildcards
 * and separators.
 */
export function isTopic(topic: string): boolean {
  return /^[A-Za-z0-9-]{1,100}$/.test(topic);
}

/** Receives changes of the set of topics with listeners. */
export interface TopicChanges {
  /** The topic has its first listener. */
  added(topic: string): void;
  /** The last listener of the topic has gone. */
  removed(topic: string): void;
}

/** The listeners of one bus. */
export class Topics {
  readonly #changes: TopicChanges;
  /** Each subscription is an object of its own: the same function may listen twice. */
  readonly #subscriptions = new Map<string, Set<{ readonly listener: TopicListener }>>();

  constructor(changes: TopicChanges = { added() {}, removed() {} }) {
    this.#changes = changes;
  }

  /** Topics with at least one listener. */
  names(): Iterable<string> {
    return this.#subscriptions.keys();
  }

  /** @throws TypeError for an invalid topic: listening to one is a defect of the caller */
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

  /** Passes the message to every listener of the topic, a copy to each. */
  deliver(topic: string, message: Uint8Array): void {
    // A listener may subscribe or unsubscribe others here. New listeners hear the next message; removed ones hear no
    // more.
    for (const subscription of [...(this.#subscriptions.get(topic) ?? [])]) {
      if (!this.#subscriptions.get(topic)?.has(subscription)) continue;
      try {
        subscription.listener(new Uint8Array(message));
      } catch {
        // The port forbids listeners to throw. A faulty one must cost neither the others their message nor the bus its
        // connection.
      }
    }
  }

  /** Forgets all listeners. */
  clear(): void {
    this.#subscriptions.clear();
  }
}
