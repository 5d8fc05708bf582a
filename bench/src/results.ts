import { writeFile } from "node:fs/promises";
import { describeMachine } from "./machine.ts";
import { toMarkdown } from "./table.ts";
import type { Section } from "./workload.ts";

/** Writes the results of a complete run for the repository. */
export async function writeResults(file: URL, command: string, sections: readonly Section[]): Promise<void> {
  const lines = [
    "# Benchmark results",
    "",
    "Written by the command below; do not edit. Absolute figures belong to this machine and this hour: the ratios,",
    "taken round by round within the same run, are what counts. Workloads: bench/src/workloads.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${command}\``,
    ...(await describeMachine()).map((line) => `- ${line}`),
    "",
    ...sections.flatMap(({ heading, notes, tables }) => [
      `## ${heading}`,
      "",
      ...notes.map((note) => `- ${note}`),
      "",
      ...tables.flatMap((table) => [toMarkdown(table), ""]),
    ]),
  ];
  await writeFile(file, `${lines.join("\n").trimEnd()}\n`);
}
