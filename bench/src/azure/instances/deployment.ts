import { connectionStringTo, startAzurite } from "../../../../server/src/storage/azure/test/azurite.ts";
import { Client } from "../../harness/client.ts";
import type { RunContext } from "../../harness/workload.ts";
import type { Server } from "../../peers/peer.ts";
import { startStreamkit } from "../../peers/streamkit-process.ts";
import { type CountingProxy, startCountingProxy } from "../counts/counting-proxy.ts";

/** One server process, its way to the storage, and the processes of its clients. */
export interface DeployedInstance {
  readonly proxy: CountingProxy;
  /** A client of the server. */
  readonly client: Client;
  /** A client of the storage, by the same way. */
  readonly raw: Client;
}

/** Instances on one Azurite, each a process, with a client process and a counting proxy of its own. */
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
      // All of them are here or have failed before anything is ended.
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
    // A window longer than the run, so that no removal of remembered transactions falls into some rounds and not
    // others.
    const options = ["--storage", "azure", "--azure-connection-string", storage, "--dedupe-window", "86400"];
    const server: Server = await startStreamkit(options, nodeFlags);
    this.#ends.push(() => server.stop());
    const client = new Client("streamkit", "streamkit", server.address, []);
    const raw = new Client("raw-table", "raw-table", storage, []);
    this.#ends.push(() => client.close());
    this.#ends.push(() => raw.close());
    this.instances.push({ proxy, client, raw });
  }

  /** Makes the way to the storage longer for all instances. */
  delay(millis: number): void {
    for (const { proxy } of this.instances) proxy.delayMillis = millis;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was started last is what others are not needed for any more.
    for (const end of this.#ends.reverse()) await end();
  }
}
