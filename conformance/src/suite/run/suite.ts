import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  type Case,
  type Cell,
  type KnownFailure,
  type Manifest,
  ManifestSchema,
  type Report,
  ReportSchema,
  type Result,
  Verdict,
} from "@streamkit/protocol/conformance";
import { AzureAccount } from "../server/azure-account.ts";
import { runCell } from "./cell.ts";
import { cellName } from "./matrix.ts";
import { openCell, type Subjects } from "./open-cell.ts";

export interface SuiteOptions extends Subjects {
  readonly cells: readonly Cell[];
  readonly cases: readonly Case[];
  readonly token?: string;
  readonly store?: string;
  readonly knownFailures?: readonly KnownFailure[];
  readonly onStart?: (manifest: Manifest) => void;
  readonly onResult?: (result: Result) => void;
  readonly onCell?: (cell: Cell, results: readonly Result[], millis: number) => void;
}

/** Runs every case in every cell, one cell after the other. */
export async function runSuite(options: SuiteOptions): Promise<Report> {
  const manifest = create(ManifestSchema, {
    startTime: timestampNow(),
    server: options.serverUrls?.join(" ") ?? options.serverCommand ?? "@streamkit/server",
    cells: [...options.cells],
    caseIds: options.cases.map((one) => one.id),
  });
  options.onStart?.(manifest);
  await using azure = new AzureAccount(options.azureConnectionString);
  const results: Result[] = [];
  for (const cell of options.cells) {
    const start = performance.now();
    const found = await runOneCell(cell, options, azure);
    results.push(...found);
    options.onCell?.(cell, found, performance.now() - start);
  }
  return create(ReportSchema, { manifest, results, conforms: conforms(options, results) });
}

async function runOneCell(cell: Cell, options: SuiteOptions, azure: AzureAccount): Promise<Result[]> {
  await using open = await openCell(cell, options, azure);
  const { instances, client, hello, secret } = open;
  return await runCell(options.cases, {
    ...options,
    cell,
    instances,
    client,
    hello,
    ...(secret === undefined ? {} : { secret }),
  });
}

/** True if every computed case has a result, and none is a failure or an unexpected pass. */
function conforms(options: SuiteOptions, results: readonly Result[]): boolean {
  const bad = new Set([Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.UNSPECIFIED]);
  if (results.some((result) => bad.has(result.verdict))) return false;
  const present = new Set(results.map((result) => `${cellName(result.cell!)} ${result.caseId}`));
  return options.cells.every((cell) => options.cases.every((one) => present.has(`${cellName(cell)} ${one.id}`)));
}
