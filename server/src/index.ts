/**
 * Streamkit's server, for embedding: `createStreamkit({storage: levelStorage({path: "./data"})})`.
 *
 * @packageDocumentation
 */

export { type CertificateOptions, certificateAuthentication } from "./access/certificates.ts";
export { AccessDenied, AuthenticationUnavailable, type DenialReason } from "./access/denial.ts";
export { principalKey } from "./access/gate.ts";
export type { Grant, NameLimit, NameSelection, Verb } from "./access/grant.ts";
export { Grants } from "./access/grants.ts";
export type { GrantClaims } from "./access/parse-claims.ts";
export type { AccessRequest, Authenticate, PeerCertificate, Principal } from "./access/principal.ts";
export { type TokenAuthentication, tokenAuthentication } from "./access/tokens/token-authentication.ts";
export type { TokenOptions } from "./access/tokens/token-options.ts";
export { DEFAULT_SERVER_LIMITS, type ServerLimits } from "./budgets/limits.ts";
export { type MemoryBusOptions, memoryBus } from "./bus/memory/index.ts";
export type { Bus } from "./bus/port.ts";
export type { Clock } from "./engine/clock.ts";
export type { RowCompression } from "./engine/rows/row-frame.ts";
export { type ErrorFacts, ServerError } from "./errors.ts";
export type { EventKind, EventLevel, StreamkitEvent } from "./event.ts";
export type { EventCounts } from "./events.ts";
export { ExportFileError, type FileProblem, type Place } from "./export/export-file-error.ts";
export type { ExportOrigin, ExportTotals } from "./export/export-item.ts";
export type { ExportOptions, ExportProgress } from "./export/export-store.ts";
export type { ImportOptions, ImportResult } from "./export/import-store.ts";
export { entryLines, type LineFormat } from "./export/text/entry-lines.ts";
export { LineError, type LineOptions } from "./export/text/import-lines.ts";
export { TextError } from "./export/text/lines.ts";
export type { PayloadForm } from "./export/text/payload.ts";
export { type ExportSummary, type FileProgress, verifyExport } from "./export/verify-export.ts";
export { type EventFormat, formatEvent } from "./format-event.ts";
export type { Fallback, RequestListener } from "./http/cors.ts";
export type { AllowedOrigins } from "./http/cors-rules.ts";
export type { FetchHandler } from "./http/fetch-handler.ts";
export type { Listener, ListenOptions } from "./http/listen.ts";
export { type TlsFiles, type TlsOptions, UnusableTlsError } from "./http/tls.ts";
export { levelStorage } from "./storage/level/index.ts";
export { memoryStorage } from "./storage/memory/index.ts";
export type * from "./storage/port.ts";
export { createStreamkit, type HandlerOptions, type Streamkit, type StreamkitOptions } from "./streamkit.ts";
export { VERSION } from "./version.ts";
