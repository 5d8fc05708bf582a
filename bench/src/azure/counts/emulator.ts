import { createStreamkitClient, type StreamkitClient } from "@streamkit/client";
import { createStreamkit, type Streamkit, type StreamkitOptions } from "@streamkit/server";
import { azureStorage } from "@streamkit/server/azure";
import { type Azurite, connectionStringTo, startAzurite } from "../../../../server/src/storage/azure/test/azurite.ts";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";
import { countingStorage, type PortCounts, zeroCounts } from "./counting-storage.ts";
import { difference } from "./difference.ts";
import { steadyClock } from "./steady-clock.ts";
import type { Exchange, WireCounts } from "./wire-counts.ts";

/** The cost of one action: on the wire, and at the Partition port above it. */
export interface Cost {
  readonly wire: WireCounts;
  readonly port: PortCounts;
}

/** A Streamkit instance in this process whose traffic to the emulator is counted. */
export interface CountedInstance {
  readonly client: StreamkitClient;
  readonly counts: Readonly<WireCounts>;
  /** Runs some work, and resolves with its cost for this instance. */
  during(work: () => Promise<unknown>): Promise<Cost>;
}

/** Azurite in a process of its own, and Streamkit instances on it, each behind a proxy of its own. */
export class Emulator implements AsyncDisposable {
  readonly #azurite: Azurite;
  readonly #proxies: CountingProxy[] = [];
  readonly #instances: Streamkit[] = [];

  private constructor(azurite: Azurite) {
    this.#azurite = azurite;
  }

  static async start(): Promise<Emulator> {
    return new Emulator(await startAzurite());
  }

  /** @param observe receives every exchange of this instance */
  async open(
    options: Omit<StreamkitOptions, "storage"> = {},
    observe?: (exchange: Exchange) => void,
  ): Promise<CountedInstance> {
    const proxy = await startCountingProxy(this.#azurite.port, observe);
    this.#proxies.push(proxy);
    const port = zeroCounts();
    const storage = countingStorage(azureStorage({ connectionString: connectionStringTo(proxy.port) }), port);
    const streamkit = createStreamkit({ storage, clock: steadyClock(), ...options });
    this.#instances.push(streamkit);
    return {
      client: createStreamkitClient({ transport: streamkit.transport() }),
      counts: proxy.counts,
      async during(work) {
        const before = { wire: { ...proxy.counts }, port: { ...port } };
        await work();
        return { wire: difference({ ...proxy.counts }, before.wire), port: difference(port, before.port) };
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.close()));
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
    await this.#azurite.stop();
  }
}
