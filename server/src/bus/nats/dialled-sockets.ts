import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Node tells of every socket that is opened to a server. */
const CHANNEL = "net.client.socket";
const dialling = new AsyncLocalStorage<DialledSockets>();

/**
 * The sockets that a piece of code opens, however deep inside a library.
 *
 * The NATS client gives no way to end an attempt to connect, and when one takes too long it leaves the socket open: to
 * a server that accepts connections and then says nothing, each attempt would leave one more.
 */
export class DialledSockets {
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  /** Runs the code; the sockets that it opens until its promise is settled are caught. */
  async during<T>(dial: () => Promise<T>): Promise<T> {
    const caught = (message: unknown) => {
      // Others open sockets meanwhile.
      if (dialling.getStore() === this) this.#add((message as { socket: Socket }).socket);
    };
    subscribe(CHANNEL, caught);
    try {
      return await dialling.run(this, dial);
    } finally {
      unsubscribe(CHANNEL, caught);
    }
  }

  /** Ends all sockets at once, also those that are opened later. */
  destroy(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #add(socket: Socket): void {
    // Not now: Node tells of a socket before it connects it, which would bring a destroyed one back to life.
    if (this.#destroyed) process.nextTick(() => socket.destroy());
    else this.#sockets.add(socket);
  }
}
