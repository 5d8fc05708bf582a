import { setTimeout } from "node:timers/promises";
import type { Fault, ProxiedRequest } from "../../../../server/src/storage/azure/test/fault-proxy.ts";
import type { Cluster, Member } from "../../lab/cluster.ts";
import { Random } from "../../lab/random.ts";
import type { Nemesis } from "../entries/workload.ts";
import { randomFaults } from "./random-faults.ts";
import type { Trouble } from "./trouble.ts";

type Script = (request: ProxiedRequest) => Fault | undefined;

/** Time in milliseconds for a stall to catch a commit. If there is none, the instance just freezes. */
const CATCH_MILLIS = 500;

/** Makes the planned trouble on a cluster. */
export class ClusterNemesis implements Nemesis {
  /** The troubles so far. */
  readonly made: (Trouble & { readonly start: number })[] = [];
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #planned: Trouble[];
  readonly #running = new Set<Promise<void>>();
  readonly #over = new AbortController();
  /** Scripts of the proxies, by instance. A script that holds requests goes before one that breaks them. */
  readonly #holds = new Map<number, Script>();
  readonly #storms = new Map<number, Script>();

  constructor(cluster: Cluster, planned: readonly Trouble[], seed: number) {
    this.#cluster = cluster;
    this.#planned = [...planned];
    this.#random = new Random(seed);
    for (const [index, { proxy }] of cluster.members.entries()) {
      proxy.script((request) => this.#holds.get(index)?.(request) ?? this.#storms.get(index)?.(request));
    }
    this.progress(0);
  }

  progress(writes: number): void {
    while (this.#planned.length > 0 && this.#planned[0].after <= writes) {
      const trouble = this.#planned.shift()!;
      this.made.push({ ...trouble, start: performance.now() });
      const running = this.#make(trouble);
      this.#running.add(running);
      void running.finally(() => this.#running.delete(running)).catch(() => {});
    }
  }

  async heal(): Promise<void> {
    this.#planned.length = 0;
    this.#over.abort();
    await Promise.all(this.#running);
    await this.#cluster.heal();
  }

  async #make(trouble: Trouble): Promise<void> {
    const member = this.#cluster.members[trouble.instance];
    switch (trouble.kind) {
      case "kill":
        return member.instance.restart();
      case "freeze":
        return this.#freeze(member, trouble.millis);
      case "stall":
        return this.#stall(member, trouble);
      case "clock":
        // A frozen instance sets its clock when it wakes up.
        return void member.instance.setClock(trouble.offsetMillis);
      case "storm":
        return this.#during(this.#storms, trouble.instance, randomFaults(this.#random, trouble.part), trouble.millis);
      case "bus":
        return void member.instance.setWeather(trouble.weather);
    }
  }

  async #freeze({ instance }: Member, millis: number): Promise<void> {
    instance.freeze();
    await this.#pause(millis);
    instance.thaw();
  }

  /** Fault 17: a request of a frozen instance arrives after others have continued; then the instance wakes up. */
  async #stall(member: Member, { instance, millis, holds }: Trouble & { kind: "stall" }): Promise<void> {
    const caught = Promise.withResolvers<void>();
    const { promise: until, resolve: release } = Promise.withResolvers<void>();
    const hold: Script = ({ isTransaction }) => {
      if (!isTransaction) return undefined;
      this.#holds.delete(instance);
      caught.resolve();
      return { kind: holds === "commit" ? "after" : "answer-after", until };
    };
    const waiting = this.#during(this.#holds, instance, hold, CATCH_MILLIS);
    await Promise.race([caught.promise, waiting]);
    await this.#freeze(member, millis).finally(release);
    await waiting;
  }

  /** Runs a script for some time. */
  async #during(scripts: Map<number, Script>, instance: number, script: Script, millis: number): Promise<void> {
    scripts.set(instance, script);
    await this.#pause(millis);
    // Another script may have replaced it.
    if (scripts.get(instance) === script) scripts.delete(instance);
  }

  async #pause(millis: number): Promise<void> {
    await setTimeout(millis, undefined, { signal: this.#over.signal }).catch(() => {});
  }
}
