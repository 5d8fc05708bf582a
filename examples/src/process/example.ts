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

/** A folder that is removed when the test is over. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-example-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** Starts an example that serves, on a free port and with its data in a folder of the test; ended with the test. */
export async function startExample(name: string): Promise<Program> {
  const folder = await testFolder();
  const program = runProgram(examplePath(name), { cwd: folder, env: { PORT: "0" } });
  onTestFinished(async () => {
    program.child.kill("SIGKILL");
    await program.exit;
  });
  return program;
}
