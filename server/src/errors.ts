import { ErrorReason } from "@streamkit/protocol";

/** The facts of a failure, beyond its reason. Becomes `streamkit.v1.ErrorDetail` at the edge of the server. */
export interface ErrorFacts {
  /** The segment concerned. */
  segment?: string;
  /** For SEQUENCE_MISMATCH: what was expected. */
  expectedLastSequence?: bigint;
  /** For SEQUENCE_MISMATCH: what was found. */
  actualLastSequence?: bigint;
  /** How long to wait before a retry, in milliseconds. */
  retryAfterMillis?: number;
  /** For INVALID_FIELD: each field with a problem, and what was expected. */
  fieldViolations?: readonly FieldViolation[];
  /** What led to this; for logs, never sent to clients. */
  cause?: unknown;
}

/**
 * The one error that crosses module boundaries inside the server.
 *
 * Backends translate platform errors into it, the engine throws it, and `routes/connect-error.ts` translates it into a
 * Connect error. The message never holds a secret or a path that a client must not see.
 */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly reason: ErrorReason;
  readonly facts: ErrorFacts;

  constructor(reason: ErrorReason, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.reason = reason;
    this.facts = facts;
  }
}

/** A field of a request is missing, malformed or out of range. */
export function invalidField(field: string, description: string): ServerError {
  return invalidFields([{ field, description }]);
}

/** One problem with one field of a request. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Violations that one error names; of more, the first. */
export const MAX_VIOLATIONS = 16;

/** Fields of a request are missing, malformed or out of range. */
export function invalidFields(violations: readonly FieldViolation[]): ServerError {
  const fieldViolations = violations.slice(0, MAX_VIOLATIONS);
  const listed = fieldViolations.map(({ field, description }) => `${field}: ${description}`).join("; ");
  const message = violations.length === 1 ? listed : `${violations.length} fields are wrong: ${listed}`;
  return new ServerError(ErrorReason.INVALID_FIELD, message, { fieldViolations });
}

/** Stored data is damaged or missing. */
export function dataLoss(message: string, cause?: unknown): ServerError {
  return new ServerError(ErrorReason.DATA_LOSS, message, { cause });
}

/** The storage failed or does not answer; for a commit, its outcome is unknown. */
export function storageUnavailable(message: string, cause?: unknown, retryAfterMillis = 1_000): ServerError {
  return new ServerError(ErrorReason.STORAGE_UNAVAILABLE, message, { cause, retryAfterMillis });
}

/**
 * The store was deleted under its reader or writer, by another instance; perhaps it was made anew since. Nothing was
 * read or written. The store can be opened again, and is then empty.
 */
export class StoreDeletedError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.NOT_FOUND, "the store was deleted", { cause });
  }
}

/** An operation on a store that was closed meanwhile; it was not begun. The store can be opened again. */
export class StoreClosedError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.STORAGE_UNAVAILABLE, "the store is closed", { cause, retryAfterMillis: 1_000 });
  }
}

/**
 * A store whose last opening failed a moment ago: this call did not try again, and nothing is known but that failure.
 */
export class NotTriedError extends ServerError {}

/** An append that was refused before anything of it was written, because what room is left is kept for other things. */
export class NoRoomError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.DISK_FULL, "no space left on the device of the store", { cause, retryAfterMillis: 5_000 });
  }
}

/** The storage cannot work until an operator changes something: permissions, a path, credentials. */
export class StorageUnusableError extends ServerError {
  constructor(message: string, cause?: unknown) {
    super(ErrorReason.STORAGE_UNAVAILABLE, message, { cause, retryAfterMillis: 5_000 });
  }
}

/** A defect: something that the code around it rules out. */
export function defect(message: string): ServerError {
  return new ServerError(ErrorReason.INTERNAL, message);
}
