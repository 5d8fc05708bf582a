import { readFile, writeFile } from "node:fs/promises";
import { composeResults } from "./compose-results.ts";
import { describeMachine } from "./machine.ts";
import type { Section } from "./section.ts";

/** Writes the results to the repository: all of them, or those of some workloads in place of their earlier ones. */
export async function writeResults(
  file: URL,
  command: string,
  complete: boolean,
  sections: readonly Section[],
): Promise<void> {
  const date = new Date().toISOString().slice(0, 10);
  const run = { complete, date, command, machine: await describeMachine() };
  const previous = complete ? "" : await readFile(file, "utf8");
  await writeFile(file, composeResults(previous, run, sections));
}
