import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The repository runs programs from their sources, an installed package from its build. */
const IS_SOURCE = import.meta.url.endsWith(".ts");
const NODE_OPTIONS = IS_SOURCE ? ["--conditions=@streamkit/source"] : [];

/** All running programs. One exit listener serves them all. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  // SIGKILL also ends a frozen process.
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a program of the suite as a process with a message channel. The program ends with this process at the latest.
 *
 * @param path path relative to the module `from`, without extension
 * @param settings the program's only argument, as JSON
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
