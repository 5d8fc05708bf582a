import type { FlakyProxy } from "../../lab/flaky-proxy.ts";
import type { Nemesis } from "../entries/workload.ts";
import { makeFault, type SocketTrouble } from "./socket-trouble.ts";

/** Makes the planned trouble on the sockets of proxies. */
export class SocketNemesis implements Nemesis {
  /** The troubles so far. A cut happens later, once its bytes have passed. */
  readonly made: (SocketTrouble & { readonly start: number })[] = [];
  readonly #proxies: readonly FlakyProxy[];
  readonly #planned: SocketTrouble[];

  /** @param proxies one per instance */
  constructor(proxies: readonly FlakyProxy[], planned: readonly SocketTrouble[]) {
    this.#proxies = proxies;
    this.#planned = [...planned];
  }

  progress(writes: number): void {
    while (this.#planned.length > 0 && this.#planned[0].after <= writes) {
      const planned = this.#planned.shift()!;
      const proxy = this.#proxies[planned.instance];
      this.made.push({ ...planned, start: performance.now() });
      const { connections } = proxy;
      if (planned.socket === "next" || connections.length === 0) {
        proxy.next.push((connection) => makeFault(connection, planned));
      } else {
        makeFault(connections[Math.floor(planned.socket * connections.length)], planned);
      }
    }
  }

  /** Ends trouble to come. Sockets that are silent stay so: clients must give them up by themselves. */
  async heal(): Promise<void> {
    this.#planned.length = 0;
    for (const proxy of this.#proxies) {
      proxy.next = [];
      for (const connection of proxy.connections) connection.calm();
    }
  }
}

/** Several nemeses at the same time. */
export function together(...nemeses: readonly Nemesis[]): Nemesis {
  return {
    progress(writes) {
      for (const nemesis of nemeses) nemesis.progress(writes);
    },
    async heal() {
      await Promise.all(nemeses.map((nemesis) => nemesis.heal()));
    },
  };
}
