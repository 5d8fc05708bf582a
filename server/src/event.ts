/** How much an event matters: "info" is news, "warn" needs a look some time, "error" needs one now. */
export type EventLevel = "info" | "warn" | "error";

/**
 * What an event is about. The set is closed; an upgrade may add to it.
 *
 * - `health-changed`: the server became ready, or stopped being ready; the message says why.
 * - `storage-failed`: storage refused an operation, did not answer, or is full.
 * - `data-loss`: stored data is damaged or missing. Every occurrence is reported.
 * - `background-failed`: work that no caller waits for failed; it is tried again.
 * - `internal-error`: a call met a defect of the server.
 * - `request-refused`: a request was refused because of a limit of the server, before its method ran.
 * - `connection-refused`: a connection was refused or ended because of a limit, or because the peer broke the protocol.
 * - `uncaught`: an error reached the top of the process.
 * - `bus-changed`: the connection to the bus was lost, or is back.
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
  | "unsafe-setup";

/** Something that the operator of a server should know. */
export interface StreamkitEvent {
  readonly level: EventLevel;
  readonly kind: EventKind;
  /** What happened, in one sentence; without payloads and secrets. */
  readonly message: string;
  /** The store concerned, where there is one. */
  readonly storeId?: string;
  /** What led to the event. May hold paths: it is for the operator, never for clients. */
  readonly cause?: unknown;
  /** Occurrences of this kind at this store since the event before, this one included. At least 1. */
  readonly count: number;
}

/** What is reported; the count is added. */
export type Report = Omit<StreamkitEvent, "count">;
