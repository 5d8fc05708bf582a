import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Case, type Report, type Result, Verdict } from "@streamkit/protocol/conformance";
import type { Clause } from "../corpus/clauses.ts";
import { cellName, type ExcludedCell } from "../run/matrix.ts";
import { byCell, count, notApplicableReasons } from "./count.ts";

/**
 * Returns a conformance statement in Markdown, to be committed: the cells of the run and the findings for each clause.
 */
export function statement(
  report: Report,
  cases: readonly Case[],
  clauses: ReadonlyMap<string, Clause>,
  excluded: readonly ExcludedCell[],
  command: string,
): string {
  const manifest = report.manifest!;
  const cells = byCell(report.results, (result) => cellName(result.cell!));
  const lines = [
    "# Conformance statement",
    "",
    `**${report.conforms ? "Conforms" : "Does not conform"}** to \`docs/spec.md\`, protocol version 1.`,
    "",
    `- server: ${manifest.server}`,
    `- date: ${timestampDate(manifest.startTime!).toISOString().slice(0, 10)}`,
    `- cases: ${cases.length}; cells: ${cells.size}; results: ${report.results.length}`,
    `- made by: \`${command}\``,
    "",
    "| cell | pass | fail | known failure | not applicable | total |",
    "|---|---|---|---|---|---|",
    ...[...cells].map(([name, results]) => cellRow(name, results)),
    "",
    "Every cell computes the same cases. Not applicable, by what the cell cannot do:",
    "",
    ...[...cells].flatMap(([name, results]) => reasonLine(name, results)),
    "",
    ...section(
      "Combinations that are left out",
      excluded.map((each) => `- ${cellName(each.cell)}: ${each.reason}`),
    ),
    ...section("Known failures", problems(report, Verdict.KNOWN_FAILURE)),
    ...section("Failures", problems(report, Verdict.FAIL)),
    "## Clauses",
    "",
    "| clause | strength | cases | results | failed |",
    "|---|---|---|---|---|",
    ...[...clauses.values()].map((clause) => clauseRow(clause, cases, report.results)),
    "",
  ];
  return lines.join("\n");
}

function cellRow(name: string, results: readonly Result[]): string {
  const { pass, fail, unexpected, known, notApplicable, total } = count(results);
  return `| ${name} | ${pass} | ${fail + unexpected} | ${known} | ${notApplicable} | ${total} |`;
}

function reasonLine(name: string, results: readonly Result[]): string[] {
  const reasons = notApplicableReasons(results);
  return reasons.length === 0 ? [] : [`- ${name}: ${reasons.map(([why, times]) => `${times} ${why}`).join("; ")}`];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`## ${title}`, "", ...lines, ""];
}

function problems(report: Report, verdict: Verdict): string[] {
  return report.results
    .filter((result) => result.verdict === verdict)
    .map((result) => `- ${result.caseId} in ${cellName(result.cell!)}: ${result.reason.split("\n")[0]}`);
}

function clauseRow(clause: Clause, cases: readonly Case[], results: readonly Result[]): string {
  const ids = new Set(cases.filter((one) => one.clauses.includes(clause.id)).map((one) => one.id));
  const ran = results.filter((result) => ids.has(result.caseId) && result.verdict !== Verdict.NOT_APPLICABLE);
  const failed = ran.filter((result) => result.verdict !== Verdict.PASS).length;
  return `| ${clause.id} | ${clause.strength} | ${ids.size} | ${ran.length} | ${failed} |`;
}
