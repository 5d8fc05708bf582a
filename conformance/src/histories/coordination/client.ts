import { setTimeout } from "node:timers/promises";
import type { Caller, CoordinationCalls } from "./calls.ts";
import type { PlannedOnCursor, PlannedOnLease, PlannedStep } from "./plan.ts";

/** Keeps the offsets of different clients apart. */
const OFFSETS_PER_CLIENT = 100_000;

/**
 * One client of a workload. It continues to use the tokens and versions that it has received, even if they no longer
 * hold, as a client does after a freeze.
 */
export class CoordinationClient {
  readonly #calls: CoordinationCalls;
  readonly #actor: string;
  readonly #tokens = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  #last: number;

  constructor(calls: CoordinationCalls, number: number) {
    this.#calls = calls;
    this.#actor = `client-${number}`;
    this.#last = number * OFFSETS_PER_CLIENT;
  }

  /** @param done called after each step */
  async run(steps: readonly PlannedStep[], done: () => void): Promise<void> {
    for (const step of steps) {
      const caller = { actor: this.#actor, instance: step.instance };
      if (step.kind === "rest") await setTimeout(step.millis);
      else if ("key" in step) await this.#onLease(caller, step);
      else await this.#onCursor(caller, step);
      done();
    }
  }

  async #onLease(caller: Caller, { kind, key, stubborn }: PlannedOnLease): Promise<void> {
    if (kind === "look") return this.#calls.look(caller, key);
    const token = this.#tokens.get(key);
    if (kind === "acquire" || token === undefined) {
      const { outcome } = await this.#calls.lease(caller, "acquire", key);
      if (outcome.is === "granted") this.#tokens.set(key, outcome.token);
      return;
    }
    const { outcome } = await this.#use(caller, kind, key, token);
    if (!stubborn && ["released", "lost", "refused"].includes(outcome.is)) this.#tokens.delete(key);
  }

  #use(caller: Caller, kind: "renew" | "release" | "append", key: string, token: number) {
    if (kind !== "append") return this.#calls.lease(caller, kind, key, token);
    this.#last += 1;
    return this.#calls.append(caller, key, token, `${this.#actor}.${this.#last}`);
  }

  async #onCursor(caller: Caller, { kind, name, space }: PlannedOnCursor): Promise<void> {
    if (kind === "read") {
      const found = await this.#calls.read(caller, name);
      if (found !== undefined) this.#versions.set(name, found.version);
      return;
    }
    this.#last += 1;
    const expected = kind === "commit" ? undefined : (this.#versions.get(name) ?? 0);
    const { outcome } = await this.#calls.commit(caller, { name, space, offset: this.#last, expected });
    if (outcome.is === "acked") this.#versions.set(name, outcome.version);
    // The version is outdated, so read the current one.
    if (outcome.is === "conflict")
      await this.#onCursor(caller, { kind: "read", name, space, instance: caller.instance });
  }
}
