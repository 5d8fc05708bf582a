import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Programs are started from their sources in the repository, from their builds where the package is installed. */
const IS_SOURCE = import.meta.url.endsWith(".ts");
const NODE_OPTIONS = IS_SOURCE ? ["--conditions=@streamkit/source"] : [];

/** All that run. One listener for them, however many there are. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  // SIGKILL ends a frozen process as well; nothing may stay behind.
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a program of the suite as a process of its own, with a channel for messages: it ends with this process at the
 * latest.
 *
 * @param path relative to the module `from`, without extension
 * @param settings its only argument, as JSON
 */
export function startProgram(path: string, from: string, settings: unknown): ChildProcess {
  const program = fileURLToPath(new URL(`${path}.${IS_SOURCE ? "ts" : "js"}`, from));
  const child = spawn(process.execPath, [...NODE_OPTIONS, program, JSON.stringify(settings)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}
