/**
 * The conformance suite as a library: run the corpus against any server with any client, from a test or a tool.
 *
 * @packageDocumentation
 */

export { checkHistory, type Violation } from "./histories/entries/check.ts";
export type { Event } from "./histories/entries/event.ts";
export { type HistoryResult, runHistory } from "./histories/entries/run.ts";
export type { ClientFactory, ClientUnderTest, Observer } from "./suite/client/client-under-test.ts";
export { ConnectClient } from "./suite/client/connect-client.ts";
export { ProgramClient } from "./suite/client/program-client.ts";
export { SdkClient } from "./suite/client/sdk-client.ts";
export { type OpenSdkTransport, type SdkTransportOpener, sdkTransports } from "./suite/client/sdk-transports.ts";
export { serveProgram } from "./suite/client/serve-program.ts";
export { nodeTransports, type OpenTransport, type TransportOpener } from "./suite/client/transports.ts";
export { type Clause, readClauses } from "./suite/corpus/clauses.ts";
export { loadCases, parseCases } from "./suite/corpus/load.ts";
export { selectCases } from "./suite/corpus/select.ts";
export { type CellOptions, runCell } from "./suite/run/cell.ts";
export { cellsOf, readKnownFailures, readMatrix } from "./suite/run/matrix.ts";
export { runSuite, type SuiteOptions } from "./suite/run/suite.ts";
export { ProgramServer } from "./suite/server/program-server.ts";
export { RemoteServer } from "./suite/server/remote-server.ts";
export type { ServerControl, ServerUnderTest } from "./suite/server/server-under-test.ts";
