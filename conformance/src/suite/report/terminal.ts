import { toJsonString } from "@bufbuild/protobuf";
import { type Result, type TraceLine, TraceLineSchema, Verdict } from "@streamkit/protocol/conformance";
import { cellName } from "../run/matrix.ts";
import { count, notApplicableReasons } from "./count.ts";

/** Most characters of one trace line on a terminal. */
const LINE_CHARS = 240;

export const HEADING = row("cell", "pass", "fail", "known", "n/a", "total", "seconds");

/** Returns one line of the matrix, and the reasons why cases were not applicable. */
export function cellLine(name: string, results: readonly Result[], millis: number): string {
  const { pass, fail, known, unexpected, notApplicable, total } = count(results);
  const reasons = notApplicableReasons(results).map(([reason, times]) => `${times} ${reason}`);
  const line = row(name, pass, fail + unexpected, known, notApplicable, total, (millis / 1_000).toFixed(1));
  return reasons.length === 0 ? line : `${line}   ${reasons.join("; ")}`;
}

function row(name: string, ...columns: (string | number)[]): string {
  return name.padEnd(32) + columns.map((each) => String(each).padStart(8)).join("");
}

/** Describes a failed case with its trace. Empty for any other result. */
export function failureText(result: Result, title: string): string {
  if (result.verdict !== Verdict.FAIL && result.verdict !== Verdict.UNEXPECTED_PASS) return "";
  const lines = [`${result.caseId} in ${cellName(result.cell!)}: ${title}`];
  lines.push(
    result.verdict === Verdict.FAIL
      ? `  ${result.reason}`
      : "  passes although it is a known failure: correct the list",
  );
  for (const line of result.trace) lines.push(`  ${traceText(line)}`);
  return lines.join("\n");
}

function traceText(line: TraceLine): string {
  const time = `${line.atMillis.toFixed(1)} ms`.padStart(12);
  if (line.what.case === "note") return `${time}    ${line.what.value}`;
  const { atMillis: _, ...json } = JSON.parse(toJsonString(TraceLineSchema, line)) as Record<string, unknown>;
  const arrow = line.what.case === "operation" ? "->" : "<-";
  const text = JSON.stringify(Object.values(json)[0]);
  return `${time} ${arrow} ${text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS)}…` : text}`;
}
