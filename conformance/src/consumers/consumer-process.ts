import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { startProgram } from "../lab/start-program.ts";
import type { ConsumerEvent } from "./history.ts";
import { type ConsumerReport, type ConsumerSettings, now } from "./settings.ts";

/** Receives each event of a process. */
export type OnConsumerEvent = (process: string, at: number, event: ConsumerEvent) => void;

/** One process that runs the consumer. */
export class ConsumerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #onEvent: OnConsumerEvent;
  #state = "idle";
  #frozen = false;
  /** True if this object ends the process. */
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

  /** The state that the process last reported; "frozen" or "gone" if the process cannot report. */
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
    // It may have lost the lease without knowing yet.
    if (this.#state === "running") this.#state = "waking";
    this.#child.kill("SIGCONT");
    this.#happened({ kind: "thawed" });
  }

  /**
   * Asks the process to finish its work and stop. Kills it after `millis` milliseconds. Resolves to true if it stopped
   * in time.
   */
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
    // News from before a kill may arrive after it. They say nothing about the current state.
    if (news.kind === "state" && this.#state !== "gone") this.#state = news.state;
    if (news.kind === "committed" && this.#state === "waking") this.#state = "running";
    this.#onEvent(this.name, at, news);
  }

  #happened(event: ConsumerEvent): void {
    this.#onEvent(this.name, now(), event);
  }
}
