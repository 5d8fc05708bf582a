import { Random } from "../../lab/random.ts";
import type { ServerUnderTest } from "../../suite/server/server-under-test.ts";
import { type Plan, writesOf } from "./plan.ts";
import type { Nemesis } from "./workload.ts";

/** Kills a server a few times while a workload runs. The seed of the plan decides after which writes. */
export class Kills implements Nemesis {
  readonly #server: ServerUnderTest;
  readonly #after: number[];
  #killing: Promise<void> = Promise.resolve();

  constructor(server: ServerUnderTest, plan: Plan, kills: number) {
    const random = new Random(plan.seed);
    this.#server = server;
    this.#after = Array.from({ length: kills }, () => 1 + random.below(writesOf(plan))).sort((a, b) => a - b);
  }

  progress(writes: number): void {
    while (this.#after.length > 0 && writes >= this.#after[0]) {
      this.#after.shift();
      this.#killing = this.#killing.then(() => this.#server.act("kill"));
    }
  }

  heal(): Promise<void> {
    return this.#killing;
  }
}
