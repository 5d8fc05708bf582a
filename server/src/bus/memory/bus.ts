import type { Bus } from "../port.ts";
import { type TopicListener, Topics } from "../topics.ts";
import { Exchange } from "./exchange.ts";

export class MemoryBus implements Bus {
  readonly kind = "memory";
  readonly location = "memory of this process";
  readonly #exchange: Exchange;
  readonly #topics = new Topics();
  #closed = false;

  constructor(prefix: string) {
    this.#exchange = Exchange.join(prefix, this.#topics);
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.#closed) this.#exchange.publish(topic, message);
  }

  subscribe(topic: string, listener: TopicListener): Disposable {
    return this.#closed ? { [Symbol.dispose]() {} } : this.#topics.add(topic, listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#topics.clear();
    this.#exchange.leave(this.#topics);
  }
}
