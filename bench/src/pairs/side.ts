import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Cpu, Order } from "./jobs.ts";

interface Answer {
  readonly cpu?: Cpu;
  readonly url?: string;
  readonly error?: string;
}

/** A process of one checkout. */
export class Side {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts a program of this folder. Resolves once it is ready, with the address if it has one. */
  static async start(program: string, args: readonly string[], flags: readonly string[] = []) {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const child = fork(file, args, { execArgv: ["--conditions=@streamkit/source", ...flags] });
    const side = new Side(child);
    return { side, url: (await side.#answer()).url ?? "" };
  }

  /** Sends an order, and waits for its result. Only one order may run at a time. */
  async tell(order: Order): Promise<Cpu> {
    this.#child.send(order);
    const { cpu } = await this.#answer();
    if (cpu === undefined) throw new Error("the process answered without a time");
    return cpu;
  }

  /** Lets the process end by itself, so that it can write a profile. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  async #answer(): Promise<Answer> {
    const gone = new AbortController();
    const { signal } = gone;
    try {
      const [answer] = (await Promise.race([
        once(this.#child, "message", { signal }),
        once(this.#child, "exit", { signal }).then(([code]) => {
          throw new Error(`a process ended early, with ${code}`);
        }),
      ])) as [Answer];
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    } finally {
      gone.abort();
    }
  }
}
