import type { Check } from "./checks.ts";

/** One line of the table: an action, its amount, and its duration. */
export interface Measurement {
  readonly what: string;
  /** Records or entries; absent if a count makes no sense. */
  readonly count?: number;
  readonly seconds: number;
}

/** The table of measurements, with rates. */
export function table(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ what, count, seconds }) => [
    what,
    count === undefined ? "" : grouped(count),
    `${seconds.toFixed(2)} s`,
    count === undefined ? "" : `${grouped(Math.round(count / seconds))}/s`,
  ]);
  const all = [["", "entries", "time", "rate"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) => `  ${row[0].padEnd(widths[0])}${[1, 2, 3].map((i) => `  ${row[i].padStart(widths[i])}`).join("")}`)
    .join("\n");
}

/** The list of verified statements. */
export function verdict(checks: readonly Check[]): string {
  const lines = checks.map(({ statement, passed, found }) =>
    passed ? `  ok    ${statement}` : `  FAIL  ${statement}\n        ${found}`,
  );
  const failed = checks.filter((check) => !check.passed).length;
  const sum = failed === 0 ? `All ${checks.length} checks passed.` : `${failed} of ${checks.length} checks FAILED.`;
  return [...lines, "", sum].join("\n");
}

/** 20000 -> "20,000". */
export function grouped(number: number): string {
  return number.toLocaleString("en");
}
