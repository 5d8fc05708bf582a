import { setTimeout } from "node:timers/promises";
import { ConsumerProcess, type OnConsumerEvent } from "./consumer-process.ts";
import type { ConsumerEvent } from "./history.ts";
import type { ConsumerSettings } from "./settings.ts";

/** How long a process may take to stop in order. */
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

  /** The index of the one that runs the consumer, as far as is known. */
  get active(): number | undefined {
    const index = this.#members.findIndex(({ state }) => state === "running");
    return index < 0 ? undefined : index;
  }

  /** Those that wait for the one that runs it to go. */
  get waiting(): readonly number[] {
    return [...this.#members.keys()].filter((index) => this.#members[index]!.state === "standby");
  }

  /** Resolves when something is so; it is looked at after everything that happens. */
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
        if (late) throw new Error(`not within ${millis} ms: ${what}; ${this.#states()}`);
        await Promise.race([this.#changed.promise, ended]);
      }
    } finally {
      done.abort();
    }
  }

  kill(index: number): Promise<void> {
    return this.#members[index]!.kill();
  }

  /** After a kill: another process, with another name, at the next instance. */
  startAgain(index: number): void {
    this.#members[index] = this.#start(index);
  }

  freeze(index: number): void {
    this.#members[index]!.freeze();
  }

  thaw(index: number): void {
    this.#members[index]!.thaw();
  }

  /** Stops all, in order. Those that did not manage to. */
  async stop(): Promise<string[]> {
    const stopped = this.#members.map(async (member) => ((await member.stop(STOP_MILLIS)) ? [] : [member.name]));
    return (await Promise.all(stopped)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()));
  }

  #start(index: number): ConsumerProcess {
    const start = this.#starts[index]!++;
    const settings = { ...this.#settings, process: `c${index}#${start}`, first: index + start };
    return new ConsumerProcess(settings, (process, at, event) => this.#happened(process, at, event));
  }

  #happened(process: string, at: number, event: ConsumerEvent): void {
    this.#onEvent(process, at, event);
    // Looked at once whoever tells has noted it, too.
    queueMicrotask(() => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  #states(): string {
    return this.#members.map(({ name, state }) => `${name} ${state}`).join(", ");
  }
}
