import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const POLITE_MILLIS = 10_000;
const running = new Set<ChildProcess>();
let ending = false;

/** Starts a child that ends with this process, in any case. */
export function startProcess(command: string, args: readonly string[]): ChildProcess {
  if (ending) throw new Error("the run is ending");
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  // The exit of a child shows that it is gone. A failed write to it must not end the run silently.
  child.stdin!.on("error", () => {});
  child.once("error", () => running.delete(child));
  return child;
}

/** Starts a file of this package, or of another one, in its own Node. */
export function startNode(file: string, args: readonly string[], nodeFlags: readonly string[] = []): ChildProcess {
  return startProcess(process.execPath, ["--conditions=@streamkit/source", ...nodeFlags, file, ...args]);
}

/**
 * Waits for matching output. Rejects with the output so far if the child ends without it. Keeps draining the output.
 */
export function waitForOutput(child: ChildProcess, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    let seen = "";
    let found = false;
    const take = (chunk: Buffer) => {
      if (found) return;
      seen += chunk;
      const match = seen.match(pattern);
      if (match === null) return;
      found = true;
      resolve(match);
    };
    child.stdout!.on("data", take);
    child.stderr!.on("data", take);
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`ended early (${code ?? signal}): ${seen.trim()}`)));
  });
}

/** Ends one child: by SIGTERM, and by SIGKILL if that takes too long. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  const impatience = setTimeout(() => child.kill("SIGKILL"), POLITE_MILLIS);
  child.kill("SIGTERM");
  await exited;
  clearTimeout(impatience);
}

/** Ends every running child, and prevents further starts. */
export async function stopAllProcesses(): Promise<void> {
  ending = true;
  await Promise.all([...running].map(stopProcess));
}

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
