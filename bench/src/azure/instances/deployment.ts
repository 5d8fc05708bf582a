import { connectionStringTo, startAzurite } from "../../../../server/src/storage/azure/test/azurite.ts";
import { Client } from "../../harness/client.ts";
import type { RunContext } from "../../harness/workload.ts";
import type { Server } from "../../peers/peer.ts";
import { startStreamkit } from "../../peers/streamkit-process.ts";
import { type CountingProxy, startCountingProxy } from "../counts/counting-proxy.ts";

/** One server process, its connection to the storage, and its client processes. */
export interface DeployedInstance {
  readonly proxy: CountingProxy;
  /** A client of the server. */
  readonly client: Client;
  /** A client of the storage, through the same proxy. */
  readonly raw: Client;
}

/** Instances on one Azurite. Each is a process, with a client process and a counting proxy of its own. */
export class Deployment implements AsyncDisposable {
  readonly instances: DeployedInstance[] = [];
  readonly #ends: (() => Promise<void>)[] = [];

  static async start(count: number, { profileFolder }: RunContext): Promise<Deployment> {
    const deployment = new Deployment();
    try {
      const azurite = await startAzurite();
      deployment.#ends.push(() => azurite.stop());
      const flags = (index: number) =>
        profileFolder === undefined
          ? []
          : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=W10-server-${index}.cpuprofile`];
      const adding = Array.from({ length: count }, (_, index) => deployment.#add(azurite.port, flags(index)));
      // Wait until every instance has started or failed, so that all of them can be ended.
      for (const added of await Promise.allSettled(adding)) if (added.status === "rejected") throw added.reason;
      return deployment;
    } catch (error) {
      await deployment[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #add(storagePort: number, nodeFlags: readonly string[]): Promise<void> {
    const proxy = await startCountingProxy(storagePort);
    this.#ends.push(() => proxy.close());
    const storage = connectionStringTo(proxy.port);
    // The window is longer than the run, so that no round includes a removal of remembered transactions.
    const options = ["--storage", "azure", "--azure-connection-string", storage, "--dedupe-window", "86400"];
    const server: Server = await startStreamkit(options, nodeFlags);
    this.#ends.push(() => server.stop());
    const client = new Client("streamkit", "streamkit", server.address, []);
    const raw = new Client("raw-table", "raw-table", storage, []);
    this.#ends.push(() => client.close());
    this.#ends.push(() => raw.close());
    this.instances.push({ proxy, client, raw });
  }

  /** Adds a delay to the storage requests of all instances. */
  delay(millis: number): void {
    for (const { proxy } of this.instances) proxy.delayMillis = millis;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In reverse order of the starts, so that nothing ends while another part still needs it.
    for (const end of this.#ends.reverse()) await end();
  }
}
