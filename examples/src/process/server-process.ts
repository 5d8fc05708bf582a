import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../../server/src/bin.ts", import.meta.url));

/** Options of a server process. */
export interface ServerOptions {
  /** Folder for the data of LevelDB. */
  readonly path: string;
  /** 0 for a free port. Default 0. */
  readonly port?: number;
  /** Kills the process when it fires. */
  readonly signal?: AbortSignal;
}

/** The standalone server in a process of its own, as `npm start` runs it. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** Resolves when the server accepts connections. Rejects with its output if it ends before that. */
  static async start({ path, port = 0, signal }: ServerOptions): Promise<ServerProcess> {
    signal?.throwIfAborted();
    const args = ["--conditions=@streamkit/source", BIN, "--port", String(port), "--path", path];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const kill = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", kill, { once: true });
    child.once("exit", () => signal?.removeEventListener("abort", kill));
    const url = await listeningUrl(child);
    return new ServerProcess(child, url);
  }

  /** Sends a signal and waits until the process is gone. SIGKILL is `kill -9`: the server gets no chance to tidy up. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    await exited;
  }

  /** The exit code; `null` while the process runs, and if a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** Waits for the line with the address of the server. */
async function listeningUrl(child: ChildProcess): Promise<string> {
  let complaint = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /listens on (\S+?);/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout!.resume();
    return url;
  }
  throw new Error(`the server did not start: ${complaint.trim() || "it ended without a message"}`);
}
