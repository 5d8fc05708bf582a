import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type Program, runProgram } from "./run-program.ts";

/** Path of an example, by name. */
export function examplePath(name: string): string {
  return fileURLToPath(new URL(`../${name}.ts`, import.meta.url));
}

/** A folder that is removed at the end of the test. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-example-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** Starts an example that runs until it is told to end: in a folder of the test, and on a free port if it serves. */
export async function startExample(name: string, ...args: string[]): Promise<Program> {
  const folder = await testFolder();
  const program = runProgram(examplePath(name), { args, cwd: folder, env: { PORT: "0" } });
  onTestFinished(async () => {
    program.child.kill("SIGKILL");
    await program.exit;
  });
  return program;
}
