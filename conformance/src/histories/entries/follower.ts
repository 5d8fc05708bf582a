import { setTimeout } from "node:timers/promises";
import { type Caller, readEvent, type Target } from "./caller.ts";
import { entriesOf } from "./entries.ts";
import type { ReadEntry, ReadEvent } from "./event.ts";
import type { PlannedRead } from "./plan.ts";

/** Interval at which a follower checks whether it must stop, in milliseconds. */
const GLANCE_MILLIS = 50;

/**
 * Follows a space or a segment at one instance. If the stream breaks, it starts again at its next position (ORD-007).
 */
export class Follower {
  readonly space: string;
  readonly segment: string | undefined;
  readonly #caller: Caller;
  readonly #target: Target;
  readonly #entries: ReadEntry[] = [];
  readonly #stop = new AbortController();
  readonly #start = performance.now();
  readonly #running: Promise<void>;
  #watch = () => {};

  constructor(caller: Caller, actor: string, { space, segment, instance }: PlannedRead) {
    this.space = space;
    this.segment = segment;
    this.#caller = caller;
    this.#target = { actor, instance, space };
    this.#running = this.#run();
  }

  /** Resolves once the follower has received the entry at a position, or after `millis` milliseconds. */
  async reached(position: number, millis: number): Promise<void> {
    const timeout = new AbortController();
    const reached = new Promise<void>((resolve) => {
      this.#watch = () => this.#next > position && resolve();
      this.#watch();
    });
    await Promise.race([reached, setTimeout(millis, undefined, { signal: timeout.signal }).catch(() => {})]);
    timeout.abort();
  }

  /** Ends the follower. Resolves to the event with the entries that it received. */
  async end(): Promise<ReadEvent> {
    this.#stop.abort();
    await this.#running;
    const what = { from: 1, complete: false, entries: this.#entries };
    return { ...readEvent(this.#start, this.#target, this.segment, what), follows: true };
  }

  get #next(): number {
    const last = this.#entries.at(-1);
    if (last === undefined) return 1;
    return 1 + (this.segment === undefined ? last.offset : last.sequence);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const start = performance.now();
      const request = this.#caller.requests.read(this.space, this.segment, this.#next, true);
      const call = await this.#caller.open(this.#target, request);
      let taken = 0;
      while (!signal.aborted) {
        await call.until(() => call.ended || call.responses.length > taken, GLANCE_MILLIS);
        this.#entries.push(...entriesOf(call.responses.slice(taken)));
        taken = call.responses.length;
        this.#watch();
        if (call.ended) break;
      }
      if (!call.ended) this.#caller.cancel(call);
      else this.#caller.ended(call, "follow", this.#target, start);
      // A stopped server refuses at once, so pause before the next attempt.
      if (!signal.aborted) await setTimeout(GLANCE_MILLIS);
    }
  }
}
