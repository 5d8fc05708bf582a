import type { Topics } from "../topics.ts";

/** Most bytes that wait for the end of the current task. The exchange drops further messages, as any bus may. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** The meeting point of all memory buses with one prefix; it plays the server of the bus. */
export class Exchange {
  static readonly #byPrefix = new Map<string, Exchange>();
  readonly #prefix: string;
  readonly #members = new Set<Topics>();
  #waiting: { readonly topic: string; readonly message: Uint8Array }[] = [];
  #waitingBytes = 0;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The exchange of this prefix, with one more member. */
  static join(prefix: string, topics: Topics): Exchange {
    let exchange = Exchange.#byPrefix.get(prefix);
    if (exchange === undefined) {
      exchange = new Exchange(prefix);
      Exchange.#byPrefix.set(prefix, exchange);
    }
    exchange.#members.add(topics);
    return exchange;
  }

  leave(topics: Topics): void {
    this.#members.delete(topics);
    if (this.#members.size === 0) Exchange.#byPrefix.delete(this.#prefix);
  }

  publish(topic: string, message: Uint8Array): void {
    const bytes = topic.length + message.length;
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) return;
    this.#waiting.push({ topic, message: new Uint8Array(message) });
    this.#waitingBytes += bytes;
    // Listeners never run inside publish, since the publisher may be in the middle of a change.
    if (this.#waiting.length === 1) queueMicrotask(() => this.#deliver());
  }

  #deliver(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { topic, message } of waiting) {
      for (const topics of [...this.#members]) topics.deliver(topic, message);
    }
  }
}
