import { connect, type Socket } from "node:net";
import type { Bus } from "@streamkit/server";
import { FrameReader, frameOf } from "./frames.ts";

interface Subscription {
  readonly topic: string;
  readonly listener: (message: Uint8Array) => void;
}

/** A bus for tests over a hub (hub.ts). It never reconnects, because the hub lives as long as the test. */
export class HubBus implements Bus {
  readonly kind = "hub";
  readonly location: string;
  readonly #socket: Socket;
  readonly #subscriptions = new Set<Subscription>();

  constructor(port: number) {
    this.location = `127.0.0.1:${port}`;
    const frames = new FrameReader();
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("data", (chunk: Buffer) => {
      for (const { topic, message } of frames.read(chunk)) this.#deliver(topic, message);
    });
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(frameOf(topic, message));
  }

  subscribe(topic: string, listener: (message: Uint8Array) => void): Disposable {
    const subscription = { topic, listener };
    this.#subscriptions.add(subscription);
    return { [Symbol.dispose]: () => void this.#subscriptions.delete(subscription) };
  }

  async close(): Promise<void> {
    this.#subscriptions.clear();
    this.#socket.destroy();
  }

  #deliver(topic: string, message: Uint8Array): void {
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.topic !== topic || !this.#subscriptions.has(subscription)) continue;
      try {
        // A copy for each listener, because the listener owns its buffer.
        subscription.listener(message.slice());
      } catch {
        // A listener that throws must not keep other listeners from their messages.
      }
    }
  }
}
