import type { Section } from "./section.ts";
import { toMarkdown } from "./table.ts";

/** The description of a run. */
export interface RunDescription {
  /** True if the run had all workloads, so that nothing of earlier results remains. */
  readonly complete: boolean;
  /** In the form 2026-11-23. */
  readonly date: string;
  readonly command: string;
  /** Lines about the machine. */
  readonly machine: readonly string[];
}

/**
 * The text of the results.
 *
 * @param previous the existing text; its sections stay unchanged unless they were measured again
 */
export function composeResults(previous: string, run: RunDescription, sections: readonly Section[]): string {
  const { complete, date, command, machine } = run;
  const source = [`Date: ${date}`, `Command: \`${command}\``, ...machine];
  if (complete) return join([introduction(source), ...sections.map((section) => toText(section, []))]);
  const [kept, ...parts] = previous.split(/^(?=## )/m).map((part) => part.trimEnd());
  const texts = new Map(parts.map((part) => [idOf(part.slice(3)), part]));
  for (const section of sections) {
    texts.set(idOf(section.heading), toText(section, [`Measured apart from the others. ${source.join("; ")}`]));
  }
  const ordered = [...texts].sort(([one], [other]) => numberOf(one) - numberOf(other)).map(([, text]) => text);
  return join([kept || introduction([]), ...ordered]);
}

function introduction(source: readonly string[]): string {
  return [
    "# Benchmark results",
    "",
    "Written by the command below; do not edit. Absolute figures belong to this machine and this hour: the ratios,",
    "taken round by round within the same run, are what counts. Workloads: bench/src/workloads.",
    "",
    ...source.map((line) => `- ${line}`),
  ]
    .join("\n")
    .trimEnd();
}

function toText({ heading, notes, tables }: Section, source: readonly string[]): string {
  return [
    `## ${heading}`,
    "",
    ...[...source, ...notes].map((note) => `- ${note}`),
    "",
    ...tables.flatMap((table) => [toMarkdown(table), ""]),
  ]
    .join("\n")
    .trimEnd();
}

/** The id of a workload, the first word of its heading: "W10". */
function idOf(heading: string): string {
  return heading.slice(0, heading.indexOf(" "));
}

function numberOf(id: string): number {
  return Number(id.slice(1));
}

function join(parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
