import { type Report, type Result, Verdict } from "@streamkit/protocol/conformance";
import { cellName } from "../run/matrix.ts";
import { byCell, count } from "./count.ts";

/** Returns the report in the XML that CI systems read: a suite per cell, a test case per case. */
export function junit(report: Report, titles: ReadonlyMap<string, string>): string {
  const suites = [...byCell(report.results, (result) => cellName(result.cell!))].map(([name, results]) => {
    const { fail, unexpected, notApplicable, total } = count(results);
    const head = `<testsuite name="${xmlText(name)}" tests="${total}" failures="${fail + unexpected}" skipped="${notApplicable}">`;
    return `  ${head}\n${results.map((result) => testCase(name, result, titles)).join("")}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="streamkit-conformance">\n${suites.join("")}</testsuites>\n`;
}

function testCase(suite: string, result: Result, titles: ReadonlyMap<string, string>): string {
  const seconds = Number(result.duration?.seconds ?? 0) + (result.duration?.nanos ?? 0) / 1e9;
  const name = xmlText(`${result.caseId}: ${titles.get(result.caseId) ?? ""}`);
  const head = `    <testcase classname="${xmlText(suite)}" name="${name}" time="${seconds.toFixed(3)}"`;
  const message = xmlText(result.reason);
  switch (result.verdict) {
    case Verdict.FAIL:
    case Verdict.UNEXPECTED_PASS:
      return `${head}><failure message="${message}"/></testcase>\n`;
    case Verdict.NOT_APPLICABLE:
    case Verdict.KNOWN_FAILURE:
      return `${head}><skipped message="${message}"/></testcase>\n`;
    default:
      return `${head}/>\n`;
  }
}

function xmlText(text: string): string {
  const named: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // XML 1.0 cannot represent most control characters.
  return Array.from(text, (c) => named[c] ?? (c < " " ? " " : c)).join("");
}
