import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { ServerControl, ServerUnderTest } from "../suite/server/server-under-test.ts";
import type { BusWeatherName } from "./bus/bus-weather.ts";
import type { Control, InstanceSettings, Report } from "./settings.ts";
import { startProgram } from "./start-program.ts";

/** Time limit for an instance to listen, in milliseconds. */
const START_MILLIS = 60_000;

/** A failure inside an instance that no call has reported. */
export interface InstanceFailure {
  readonly what: string;
  /** Reason as in ErrorDetail, or "DIED". */
  readonly reason: string;
  readonly message: string;
}

/** One server process with the actions of a test on it. */
export class Instance implements ServerUnderTest {
  readonly name: string;
  readonly capabilities: readonly string[] = ["socket", "any_store", "durable", "kill"];
  url = "";
  generation = 0;
  /** Failures since the test last emptied the list. */
  failures: InstanceFailure[] = [];
  #settings: InstanceSettings;
  #child!: ChildProcess;
  #exited!: Promise<unknown>;
  /** Callbacks of the open orders, oldest first. */
  #told: (() => void)[] = [];
  /** True if this object ends the process. */
  #ending = false;
  /** Chains starts and ends, so that only one runs at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(settings: InstanceSettings) {
    this.name = `instance ${settings.seed}`;
    this.#settings = settings;
  }

  static async start(settings: InstanceSettings): Promise<Instance> {
    const instance = new Instance(settings);
    await instance.#start();
    return instance;
  }

  async act(control: ServerControl): Promise<void> {
    if (control !== "kill") throw new Error(`there is no ${control} of an instance`);
    await this.restart();
  }

  /** Kills the process (kill -9) and starts a new one on the same port. */
  restart(): Promise<void> {
    return this.#alone(async () => {
      await this.#kill();
      await this.#start();
    });
  }

  /** Stops the process in its current state until `thaw` or a restart. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /**
   * Sets the difference between the wall clock of the process and that of the machine; negative values set it back. The
   * setting survives a restart. Resolves once it is in effect, which a frozen process delays.
   */
  setClock(offsetMillis: number): Promise<void> {
    this.#settings = { ...this.#settings, clockMillis: offsetMillis };
    return this.#tell({ set: "clock", offsetMillis });
  }

  /** Sets the weather of the bus. The setting survives a restart. Resolves once it is in effect. */
  setWeather(name: BusWeatherName): Promise<void> {
    this.#settings = { ...this.#settings, weather: name };
    return this.#tell({ set: "weather", name });
  }

  /** Starts the process again if it died. Resolves once no start or end is in progress. */
  revive(): Promise<void> {
    return this.#alone(async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) await this.#start();
    });
  }

  close(): Promise<void> {
    return this.#alone(() => this.#kill());
  }

  async #start(): Promise<void> {
    const child = startProgram("./instance-program", import.meta.url, this.#settings);
    this.#child = child;
    this.#ending = false;
    this.#exited = once(child, "exit");
    child.once("exit", (code, signal) => {
      for (const done of this.#told.splice(0)) done();
      if (!this.#ending) this.#failed("the process", "DIED", `it ended with ${signal ?? `code ${code}`}`);
    });
    child.on("message", (report: Report) => {
      if (report.is === "done") this.#told.shift()?.();
      if (report.is === "failure") this.#failed(report.what, report.reason, report.message);
    });
    this.url = await listening(child);
    this.#settings = { ...this.#settings, port: Number(new URL(this.url).port) };
    this.generation += 1;
  }

  async #kill(): Promise<void> {
    this.#ending = true;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #failed(what: string, reason: string, message: string): void {
    this.failures.push({ what, reason, message });
  }

  #tell(control: Control): Promise<void> {
    return new Promise((resolve) => {
      // A process that has ended gets the order through its settings when it starts again.
      if (!this.#child.connected) return resolve();
      this.#told.push(resolve);
      this.#child.send(control, () => {});
    });
  }

  #alone(action: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** Resolves to the address of an instance once it listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MILLIS);
    child.on("message", (report: Report) => {
      if (report.is !== "listening") return;
      clearTimeout(timer);
      resolve(report.url);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`an instance ended with ${signal ?? `code ${code}`} before it listened`));
    });
  });
}
