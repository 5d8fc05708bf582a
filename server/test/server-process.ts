import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

/** A real server in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  /** The line that the server wrote when it was ready. */
  readonly line: string;
  readonly child: ChildProcess;
  /** The server's output to stderr so far. */
  readonly errors: () => string;
  /** Resident memory, in bytes. */
  memory(): Promise<number>;
  /** Sends a signal to the server. Resolves with its exit code or signal. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export async function startServer(path: string, ...args: string[]): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    ["--conditions=@streamkit/source", BIN, "--port", "0", "--path", path, ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const lines = createInterface(child.stdout);
  const { line, url } = await new Promise<{ line: string; url: string }>((resolve, reject) => {
    lines.once("line", (line) => {
      const url = /listens on (\S+);/.exec(line)?.[1];
      if (url === undefined) reject(new Error(`unexpected output: ${line}`));
      else resolve({ line, url });
    });
    child.once("exit", (code) => reject(new Error(`the server ended with code ${code}: ${errors}`)));
  });
  return {
    url,
    line,
    child,
    errors: () => errors,
    async memory() {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    end(signal) {
      child.kill(signal);
      return ended;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A folder that is removed at the end of the test. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "streamkit-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
