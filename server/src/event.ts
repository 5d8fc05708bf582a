/** Severity of an event: "info" is news, "warn" needs attention some time, "error" needs it now. */
export type EventLevel = "info" | "warn" | "error";

/**
 * The subject of an event. The set is closed; an upgrade may add to it.
 *
 * - `health-changed`: the server became ready, or stopped being ready; the message gives the reason.
 * - `storage-failed`: storage refused an operation, did not answer, or is full.
 * - `data-loss`: stored data is damaged or missing. Every occurrence is reported.
 * - `background-failed`: background work failed, and will be tried again.
 * - `internal-error`: a call met a defect of the server.
 * - `request-refused`: a limit of the server refused a request before its method ran.
 * - `connection-refused`: the server refused or ended a connection because of a limit or a violation of the protocol.
 * - `uncaught`: an error reached the top of the process.
 * - `bus-changed`: the connection to the bus was lost, or is back.
 * - `token-keys`: the keys that check tokens cannot be loaded, are back, or changed.
 * - `token-grants`: a valid token has malformed entries, which grant nothing.
 * - `certificate-changed`: the certificate of the port was renewed, or its new files do not work.
 * - `unsafe-setup`: the configuration lets strangers in, or has no effect.
 */
export type EventKind =
  | "health-changed"
  | "storage-failed"
  | "data-loss"
  | "background-failed"
  | "internal-error"
  | "request-refused"
  | "connection-refused"
  | "uncaught"
  | "bus-changed"
  | "token-keys"
  | "token-grants"
  | "certificate-changed"
  | "unsafe-setup";

/** An event that the operator of a server should know about. */
export interface StreamkitEvent {
  readonly level: EventLevel;
  readonly kind: EventKind;
  /** One sentence about the event, without payloads and secrets. */
  readonly message: string;
  /** The store of the event, if it concerns one. */
  readonly storeId?: string;
  /** The cause of the event. It may hold paths: it is for the operator, never for clients. */
  readonly cause?: unknown;
  /** Occurrences of this kind at this store since the previous event, including this one. At least 1. */
  readonly count: number;
}

/** An event to report. The count is added later. */
export type Report = Omit<StreamkitEvent, "count">;
