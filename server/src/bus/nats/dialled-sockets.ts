import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Node announces every client socket on this diagnostics channel. */
const CHANNEL = "net.client.socket";
const dialling = new AsyncLocalStorage<DialledSockets>();

/**
 * The sockets that a piece of code opens, however deep inside a library.
 *
 * The NATS client cannot abort an attempt to connect, and leaves the socket of a timed-out attempt open. Against a
 * server that accepts connections and then stays silent, each attempt would leave one more socket.
 */
export class DialledSockets {
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  /** Runs `dial`, and catches the sockets that it opens until its promise settles. */
  async during<T>(dial: () => Promise<T>): Promise<T> {
    const caught = (message: unknown) => {
      // Other code opens sockets meanwhile.
      if (dialling.getStore() === this) this.#add((message as { socket: Socket }).socket);
    };
    subscribe(CHANNEL, caught);
    try {
      return await dialling.run(this, dial);
    } finally {
      unsubscribe(CHANNEL, caught);
    }
  }

  /** Destroys all sockets at once, and every socket that is opened later. */
  destroy(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #add(socket: Socket): void {
    // Not at once: Node announces a socket before connecting it, and connecting would revive a destroyed socket.
    if (this.#destroyed) process.nextTick(() => socket.destroy());
    else this.#sockets.add(socket);
  }
}
