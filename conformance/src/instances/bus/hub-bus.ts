import { connect, type Socket } from "node:net";
import type { Bus } from "@streamkit/server";
import { FrameReader, frameOf } from "./frames.ts";

type Listener = (message: Uint8Array) => void;

/** A bus for tests over a hub (hub.ts). Does not connect again: the hub lives as long as the test. */
export class HubBus implements Bus {
  readonly kind = "hub";
  readonly location: string;
  readonly #socket: Socket;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(port: number) {
    this.location = `127.0.0.1:${port}`;
    const frames = new FrameReader();
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("data", (chunk: Buffer) => {
      for (const { topic, message } of frames.read(chunk)) {
        for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(message);
      }
    });
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(frameOf(topic, message));
  }

  subscribe(topic: string, listener: Listener): Disposable {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
      },
    };
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }
}
