import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { damageFiles } from "./damage.ts";
import type { ServerControl, ServerUnderTest } from "./server-under-test.ts";

/** Time limit for a server to print its address, or to end after SIGTERM, in milliseconds. */
const PATIENCE_MILLIS = 120_000;

export interface ProgramOptions {
  /** True if the server's data outlive the process. */
  readonly durable: boolean;
  /**
   * Folder that replaces `{data}` and that several servers may share. Default: a new folder, which is removed with the
   * server.
   */
  readonly folder?: string;
  /**
   * Environment variables in addition to those of the runner. Secrets belong here, because every user of the machine
   * can read a command line.
   */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * A server program. A shell runs the command. `{port}` in it becomes the port: 0 at the first start, the same port at
 * later starts. `{data}` becomes a folder. The first line on stdout with an `http://` address means that the server is
 * ready.
 */
export class ProgramServer implements ServerUnderTest {
  readonly name: string;
  readonly capabilities: readonly string[];
  url = "";
  generation = 0;
  readonly #command: string;
  readonly #options: ProgramOptions;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(command: string, options: ProgramOptions) {
    this.#command = command;
    this.#options = options;
    this.#folder = options.folder ?? mkdtempSync(join(tmpdir(), "streamkit-conformance-"));
    this.name = command;
    this.capabilities = ["socket", "any_store", ...(options.durable ? ["durable", "restart", "kill", "damage"] : [])];
  }

  static async start(command: string, options: ProgramOptions): Promise<ProgramServer> {
    const server = new ProgramServer(command, options);
    try {
      await server.#start();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  async act(control: ServerControl): Promise<void> {
    await this.#stop(control === "kill" ? "SIGKILL" : "SIGTERM");
    if (control === "damage") damageFiles(this.#folder);
    this.generation += 1;
    await this.#start();
  }

  async close(): Promise<void> {
    await this.#stop("SIGTERM");
    if (this.#options.folder === undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const port = this.url === "" ? "0" : new URL(this.url).port;
    const command = this.#command.replaceAll("{port}", port).replaceAll("{data}", this.#folder);
    // `exec`, because the signal must reach the server and not the shell.
    const env = { ...process.env, ...this.#options.environment };
    const child = spawn("sh", ["-c", `exec ${command}`], { stdio: ["ignore", "pipe", "inherit"], env });
    this.#process = child;
    // If the runner ends, its servers end too.
    const end = (): void => void child.kill("SIGKILL");
    process.once("exit", end);
    child.once("exit", () => process.off("exit", end));
    this.url = await address(child, command);
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MILLIS);
    await exited;
    clearTimeout(late);
  }
}

function address(child: ChildProcess, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const timer = setTimeout(() => fail("it printed no address in time"), PATIENCE_MILLIS);
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${command}: ${why}`));
    };
    const onExit = (code: number | null): void => fail(`it ended with code ${code} before it printed an address`);
    child.once("exit", onExit);
    child.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      const found = /https?:\/\/[\w.[\]:-]*:\d+/.exec(printed)?.[0];
      if (found === undefined) return;
      clearTimeout(timer);
      child.off("exit", onExit);
      resolve(found);
    });
  });
}
