import { create, toJsonString } from "@bufbuild/protobuf";
import {
  type Manifest,
  ManifestSchema,
  type Report,
  ReportSchema,
  type Result,
  ResultSchema,
} from "@streamkit/protocol/conformance";

/** First line of a report: the plan of the run. */
export function manifestLine(manifest: Manifest): string {
  return toJsonString(ManifestSchema, manifest);
}

/** One line per result. */
export function resultLine(result: Result): string {
  return toJsonString(ResultSchema, result);
}

/** Last line: the overall verdict. */
export function closingLine(report: Report): string {
  return toJsonString(ReportSchema, create(ReportSchema, { manifest: report.manifest!, conforms: report.conforms }));
}
