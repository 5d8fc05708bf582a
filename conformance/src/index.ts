/**
 * The conformance suite as a library: run the corpus against any server with any client, from a test or a tool.
 *
 * @packageDocumentation
 */
export type { ClientFactory, ClientUnderTest, Observer } from "./client/client-under-test.ts";
export { ConnectClient } from "./client/connect-client.ts";
export { ProgramClient } from "./client/program-client.ts";
export { SdkClient } from "./client/sdk-client.ts";
export { serveProgram } from "./client/serve-program.ts";
export { type Clause, readClauses } from "./corpus/clauses.ts";
export { loadCases, parseCases } from "./corpus/load.ts";
export { selectCases } from "./corpus/select.ts";
export { checkHistory, type Violation } from "./history/check.ts";
export type { Event } from "./history/event.ts";
export { type HistoryResult, runHistory } from "./history/run.ts";
export { type CellOptions, runCell } from "./run/cell.ts";
export { cellsOf, readKnownFailures, readMatrix } from "./run/matrix.ts";
export { runSuite, type SuiteOptions } from "./run/suite.ts";
export { ProgramServer } from "./server/program-server.ts";
export { RemoteServer } from "./server/remote-server.ts";
export type { ServerControl, ServerUnderTest } from "./server/server-under-test.ts";
