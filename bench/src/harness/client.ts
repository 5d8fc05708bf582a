import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PeerName } from "../peers/index.ts";
import type { OperationName, Sample } from "../peers/peer.ts";
import { startNode, stopProcess } from "../tools/processes.ts";

/** One job of a client. */
export interface Call {
  readonly operation: OperationName;
  readonly job: object;
}

/** The conductor's handle on a client process. */
export class Client {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #label: string;
  #errors = "";

  /** Starts the process; `call` waits until it is connected. */
  constructor(label: string, peer: PeerName, address: string, nodeFlags: readonly string[]) {
    this.#label = label;
    this.#child = startNode(fileURLToPath(new URL("client-process.ts", import.meta.url)), [peer, address], nodeFlags);
    this.#child.stderr!.on("data", (chunk) => {
      this.#errors += chunk;
    });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Runs one job. Only one job may run at a time. */
  async call({ operation, job }: Call): Promise<Sample> {
    this.#child.stdin!.write(`${JSON.stringify({ operation, job })}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.#label}: the client ended. ${this.#errors.trim()}`);
    const { sample, error } = JSON.parse(answer.value) as { sample?: Sample; error?: string };
    if (sample === undefined) throw new Error(`${this.#label}, ${operation}: ${error}`);
    return sample;
  }

  /** Ends the process by closing its input, so that it can write a profile. */
  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin!.end();
    const impatience = setTimeout(() => stopProcess(this.#child), 10_000);
    await exited;
    clearTimeout(impatience);
  }
}
