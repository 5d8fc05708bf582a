import { createWriteStream, writeFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { MatrixSchema } from "@streamkit/protocol/conformance";
import { readOptions } from "../options.ts";
import { readClauses } from "./corpus/clauses.ts";
import { loadCases } from "./corpus/load.ts";
import { selectCases } from "./corpus/select.ts";
import { commandLine } from "./report/command-line.ts";
import { closingLine, manifestLine, resultLine } from "./report/json-lines.ts";
import { junit } from "./report/junit.ts";
import { statement } from "./report/statement.ts";
import { cellLine, failureText, HEADING } from "./report/terminal.ts";
import { cellName, cellsOf, readKnownFailures, readMatrix } from "./run/matrix.ts";
import { runSuite } from "./run/suite.ts";

const USAGE = `streamkit-conformance: proves a Streamkit server or client against docs/spec.md

  --matrix FILE          cells to run: backends, transports, wrappers, clients
  --server-url URL       examine a running server; twice for two instances on the same data
  --server-command CMD   examine a program; {port} and {data} in CMD are filled in
  --client-command CMD   drive a client program over its standard streams
  --token TOKEN          bearer token for the server (CONFORMANCE_TOKEN)
                         CONFORMANCE_AUTH_SECRET: the secret that signs tokens (HS256), for the cases about access
  --azure-connection-string S  account for cells with Azure storage (CONFORMANCE_AZURE_CONNECTION_STRING);
                         default: in the repository, an Azurite that the run starts and ends
  --store ID             the only store that cases may use; all cases share it
  --case TEXT            only cases whose id contains TEXT; may be repeated
  --clause ID            only cases that prove this clause; may be repeated
  --cell TEXT            only cells whose name contains TEXT; may be repeated
  --known-failures FILE  accepted failures, with reasons
  --report FILE          write JSON lines      --junit FILE      write JUnit XML
  --statement FILE       write a statement     --list            list cases and clauses, run nothing
`;

const args = readOptions(USAGE, {
  matrix: { type: "string" },
  "server-url": { type: "string", multiple: true },
  "server-command": { type: "string" },
  "client-command": { type: "string" },
  token: { type: "string" },
  "azure-connection-string": { type: "string" },
  store: { type: "string" },
  case: { type: "string", multiple: true },
  clause: { type: "string", multiple: true },
  cell: { type: "string", multiple: true },
  "known-failures": { type: "string" },
  report: { type: "string" },
  junit: { type: "string" },
  statement: { type: "string" },
  list: { type: "boolean" },
});

const clauses = readClauses();
const cases = selectCases(loadCases(), { ids: args.case ?? [], clauses: args.clause ?? [] });
if (args.list) {
  for (const one of cases) console.log(`${one.id.padEnd(44)} ${one.clauses.join(" ").padEnd(28)} ${one.title}`);
  console.log(`${cases.length} cases, ${clauses.size} clauses`);
  process.exit(0);
}

const authSecret = process.env.CONFORMANCE_AUTH_SECRET;
const defaultMatrix =
  args["server-url"] === undefined
    ? { backends: ["level"], transports: ["connect-h2"], wrappers: ["plain"] }
    : {
        backends: ["remote"],
        transports: ["connect-h1", "connect-h2", "grpc", "grpc-web", "json", "websocket"],
        wrappers: [args["server-url"].length > 1 ? "two-instances" : authSecret === undefined ? "plain" : "auth"],
      };
const matrix = args.matrix === undefined ? create(MatrixSchema, defaultMatrix) : readMatrix(args.matrix);
const { cells: all, excluded } = cellsOf(matrix);
const cells = all.filter((cell) => (args.cell ?? [""]).some((text) => cellName(cell).includes(text)));
if (cases.length === 0 || cells.length === 0) {
  console.error(
    "streamkit-conformance: no case or no cell matches; see --list for cases and the matrix file for cells",
  );
  process.exit(2);
}

// `process.exit` runs the handlers that end the servers under test.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const token = args.token ?? process.env.CONFORMANCE_TOKEN;
const azureConnectionString = args["azure-connection-string"] ?? process.env.CONFORMANCE_AZURE_CONNECTION_STRING;
const titles = new Map(cases.map((one) => [one.id, one.title]));
const lines = args.report === undefined ? undefined : createWriteStream(args.report);
console.log(HEADING);
const report = await runSuite({
  cells,
  cases,
  anyStore: args.store === undefined,
  ...(args["server-url"] === undefined ? {} : { serverUrls: args["server-url"] }),
  ...(args["server-command"] === undefined ? {} : { serverCommand: args["server-command"] }),
  ...(args["client-command"] === undefined ? {} : { clientCommand: args["client-command"] }),
  ...(azureConnectionString === undefined ? {} : { azureConnectionString }),
  ...(token === undefined ? {} : { token }),
  ...(authSecret === undefined ? {} : { authSecret }),
  ...(args.store === undefined ? {} : { store: args.store }),
  ...(args["known-failures"] === undefined ? {} : { knownFailures: readKnownFailures(args["known-failures"]) }),
  onStart: (manifest) => lines?.write(`${manifestLine(manifest)}\n`),
  onResult: (result) => lines?.write(`${resultLine(result)}\n`),
  onCell: (cell, results, millis) => {
    console.log(cellLine(cellName(cell), results, millis));
    for (const result of results) {
      const text = failureText(result, titles.get(result.caseId) ?? "");
      if (text !== "") console.log(text);
    }
  },
});
lines?.end(`${closingLine(report)}\n`);
if (args.junit !== undefined) writeFileSync(args.junit, junit(report, titles));
if (args.statement !== undefined) {
  const command = commandLine(process.argv.slice(2));
  writeFileSync(args.statement, statement(report, cases, clauses, excluded, command));
}
console.log(report.conforms ? "conforms" : "DOES NOT CONFORM");
process.exit(report.conforms ? 0 : 1);
