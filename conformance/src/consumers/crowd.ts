import { setTimeout } from "node:timers/promises";
import { ConsumerProcess, type OnConsumerEvent } from "./consumer-process.ts";
import type { ConsumerEvent } from "./history.ts";
import type { ConsumerSettings } from "./settings.ts";

/** Time limit for a process to stop in order, in milliseconds. */
const STOP_MILLIS = 20_000;

/** Processes that compete for one consumer. */
export class Crowd implements AsyncDisposable {
  readonly #settings: Omit<ConsumerSettings, "process" | "first">;
  readonly #onEvent: OnConsumerEvent;
  readonly #members: ConsumerProcess[];
  readonly #starts: number[];
  #changed = Promise.withResolvers<void>();

  constructor(size: number, settings: Omit<ConsumerSettings, "process" | "first">, onEvent: OnConsumerEvent) {
    this.#settings = settings;
    this.#onEvent = onEvent;
    this.#starts = Array.from({ length: size }, () => 0);
    this.#members = this.#starts.map((_, index) => this.#start(index));
  }

  get size(): number {
    return this.#members.length;
  }

  /** Index of the process that runs the consumer; undefined if none is known to. */
  get active(): number | undefined {
    const index = this.#members.findIndex(({ state }) => state === "running");
    return index < 0 ? undefined : index;
  }

  /** Indexes of the processes that wait for the lease. */
  get waiting(): readonly number[] {
    return [...this.#members.keys()].filter((index) => this.#members[index].state === "standby");
  }

  /**
   * Resolves once `isSo` returns true. Checks it after every event.
   *
   * @throws Error if that takes longer than `millis` milliseconds; the reason of `signal` once it is aborted
   */
  async until(what: string, isSo: () => boolean, millis: number, signal?: AbortSignal): Promise<void> {
    const done = new AbortController();
    let late = false;
    const over = setTimeout(millis, undefined, { signal: AbortSignal.any([done.signal, ...(signal ? [signal] : [])]) });
    const ended = over.then(
      () => {
        late = true;
      },
      () => {},
    );
    try {
      while (!isSo()) {
        signal?.throwIfAborted();
        if (late) throw new Error(`waited ${millis} ms in vain until ${what}; states: ${this.#states()}`);
        await Promise.race([this.#changed.promise, ended]);
      }
    } finally {
      done.abort();
    }
  }

  kill(index: number): Promise<void> {
    return this.#members[index].kill();
  }

  /** Starts a new process with a new name in place of a killed one. It calls the next instance first. */
  startAgain(index: number): void {
    this.#members[index] = this.#start(index);
  }

  freeze(index: number): void {
    this.#members[index].freeze();
  }

  thaw(index: number): void {
    this.#members[index].thaw();
  }

  /** Stops all processes in order. Resolves to the names of those that did not stop in time. */
  async stop(): Promise<string[]> {
    const stopped = this.#members.map(async (member) => ((await member.stop(STOP_MILLIS)) ? [] : [member.name]));
    return (await Promise.all(stopped)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()));
  }

  #start(index: number): ConsumerProcess {
    const start = this.#starts[index]++;
    const settings = { ...this.#settings, process: `c${index}#${start}`, first: index + start };
    return new ConsumerProcess(settings, (process, at, event) => this.#happened(process, at, event));
  }

  #happened(process: string, at: number, event: ConsumerEvent): void {
    this.#onEvent(process, at, event);
    // Wait until the receiver has recorded the event too.
    queueMicrotask(() => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  #states(): string {
    return this.#members.map(({ name, state }) => `${name} ${state}`).join(", ");
  }
}
