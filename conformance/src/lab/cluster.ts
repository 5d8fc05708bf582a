import { type Azurite, connectionStringTo, startAzurite } from "../../../server/src/storage/azure/test/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../../../server/src/storage/azure/test/fault-proxy.ts";
import { type Hub, openHub } from "./bus/hub.ts";
import { Instance } from "./instance.ts";
import type { InstanceDeviation } from "./instance-faults.ts";
import type { InstanceSettings } from "./settings.ts";

export interface ClusterOptions {
  readonly instances: number;
  /** Interval at which instances poll followed spaces, in milliseconds. Default: 200, so that tests need not wait. */
  readonly pollMillis?: number;
  /**
   * Timeout of a request to storage, in milliseconds. Default: 1,000, so that a request without an answer fails within
   * a test.
   */
  readonly requestTimeoutMillis?: number;
  readonly deviation?: InstanceDeviation;
}

/** An instance and its own proxy to Azurite. */
export interface Member {
  readonly instance: Instance;
  readonly proxy: FaultProxy;
}

/** Server processes on one Azurite, with a bus between them. Each has its own proxy. */
export class Cluster implements AsyncDisposable {
  readonly members: readonly Member[];
  readonly #azurite: Azurite;
  readonly #hub: Hub;

  private constructor(members: readonly Member[], azurite: Azurite, hub: Hub) {
    this.members = members;
    this.#azurite = azurite;
    this.#hub = hub;
  }

  static async start({ instances, deviation, ...options }: ClusterOptions): Promise<Cluster> {
    const [azurite, hub] = await Promise.all([startAzurite(), openHub()]);
    const start = async (seed: number): Promise<Member> => {
      const proxy = await startFaultProxy(azurite.port);
      const settings: InstanceSettings = {
        port: 0,
        connectionString: connectionStringTo(proxy.port),
        hub: hub.port,
        pollMillis: options.pollMillis ?? 200,
        requestTimeoutMillis: options.requestTimeoutMillis ?? 1_000,
        seed,
        clockMillis: 0,
        weather: "fair",
        ...(deviation === undefined ? {} : { deviation }),
      };
      return { proxy, instance: await Instance.start(settings) };
    };
    return new Cluster(await Promise.all(Array.from({ length: instances }, (_, seed) => start(seed))), azurite, hub);
  }

  /**
   * Ends all trouble. Afterwards every instance runs, its clock and its bus are right, and its proxy passes all
   * requests on.
   */
  async heal(): Promise<void> {
    await Promise.all(
      this.members.map(async ({ instance, proxy }) => {
        proxy.script(() => undefined);
        instance.thaw();
        await instance.revive();
        await Promise.all([instance.setClock(0), instance.setWeather("fair"), proxy.settled()]);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(({ instance }) => instance.close()));
    await Promise.all(this.members.map(({ proxy }) => proxy.close()));
    await this.#azurite.stop();
    await this.#hub[Symbol.asyncDispose]();
  }
}
