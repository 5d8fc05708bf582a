import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { startProgram } from "../lab/start-program.ts";
import type { ConsumerEvent } from "./history.ts";
import { type ConsumerReport, type ConsumerSettings, now } from "./settings.ts";

/** Told what happens with a process. */
export type OnConsumerEvent = (process: string, at: number, event: ConsumerEvent) => void;

/** One process that runs the consumer, and everything that may happen to it. */
export class ConsumerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #onEvent: OnConsumerEvent;
  #state = "idle";
  #frozen = false;
  /** The end of the process is ours. */
  #ending = false;

  constructor(settings: ConsumerSettings, onEvent: OnConsumerEvent) {
    this.name = settings.process;
    this.#onEvent = onEvent;
    this.#child = startProgram("./consumer-program", import.meta.url, settings);
    this.#exited = once(this.#child, "exit");
    this.#child.on("message", (report: ConsumerReport) => this.#hear(report));
    this.#child.once("exit", (code, signal) => {
      this.#state = "gone";
      if (!this.#ending) this.#happened({ kind: "died", how: `it ended with ${signal ?? `code ${code}`}` });
    });
  }

  /** What it said last of itself; "frozen" and "gone" where that tells nothing. */
  get state(): string {
    return this.#frozen ? "frozen" : this.#state;
  }

  async kill(): Promise<void> {
    if (this.#state === "gone") return;
    this.#ending = true;
    this.#state = "gone";
    this.#happened({ kind: "killed" });
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  freeze(): void {
    this.#frozen = true;
    this.#child.kill("SIGSTOP");
    this.#happened({ kind: "frozen" });
  }

  thaw(): void {
    this.#frozen = false;
    // It may have lost the lease, and does not know yet.
    if (this.#state === "running") this.#state = "waking";
    this.#child.kill("SIGCONT");
    this.#happened({ kind: "thawed" });
  }

  /** Lets it finish what it has begun; kills it when that takes too long. Whether it ended by itself. */
  async stop(millis: number): Promise<boolean> {
    this.#ending = true;
    let inTime = true;
    const timer = setTimeout(() => {
      inTime = false;
      this.#child.kill("SIGKILL");
    }, millis);
    this.#child.kill("SIGTERM");
    await this.#exited;
    clearTimeout(timer);
    return inTime;
  }

  #hear({ at, news }: ConsumerReport): void {
    // What it still said before it was killed arrives, and tells nothing of how it is.
    if (news.kind === "state" && this.#state !== "gone") this.#state = news.state;
    if (news.kind === "committed" && this.#state === "waking") this.#state = "running";
    this.#onEvent(this.name, at, news);
  }

  #happened(event: ConsumerEvent): void {
    this.#onEvent(this.name, now(), event);
  }
}
