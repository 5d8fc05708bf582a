import { ErrorReason } from "@streamkit/protocol";

/** The facts of a failure, beyond its reason. Becomes `streamkit.v1.ErrorDetail` at the edge of the server. */
export interface ErrorFacts {
  /** The segment with the failure. */
  segment?: string;
  /** For SEQUENCE_MISMATCH: the last sequence that the request expected. */
  expectedLastSequence?: bigint;
  /** For SEQUENCE_MISMATCH: the last sequence in the segment. */
  actualLastSequence?: bigint;
  /** Time to wait before a retry, in milliseconds. */
  retryAfterMillis?: number;
  /** For INVALID_FIELD: each invalid field, with the expected form. */
  fieldViolations?: readonly FieldViolation[];
  /** For refused credentials and missing rights: the value of the header `WWW-Authenticate` (RFC 6750). */
  challenge?: string;
  /** The cause, for logs. The server never sends it to clients. */
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

/** Most violations in one error. Further ones are dropped. */
export const MAX_VIOLATIONS = 16;

/** Fields of a request are missing, malformed or out of range. */
export function invalidFields(violations: readonly FieldViolation[]): ServerError {
  const fieldViolations = violations.slice(0, MAX_VIOLATIONS);
  const listed = fieldViolations.map(({ field, description }) => `${field}: ${description}`).join("; ");
  const message = violations.length === 1 ? listed : `${violations.length} fields are invalid: ${listed}`;
  return new ServerError(ErrorReason.INVALID_FIELD, message, { fieldViolations });
}

/** Stored data is damaged or missing. */
export function dataLoss(message: string, cause?: unknown): ServerError {
  return new ServerError(ErrorReason.DATA_LOSS, message, { cause });
}

/** A store, space or segment that a caller named does not exist. */
export function notFound(message: string): ServerError {
  return new ServerError(ErrorReason.NOT_FOUND, message);
}

/** The storage failed or did not answer. The outcome of a commit is then unknown. */
export function storageUnavailable(message: string, cause?: unknown, retryAfterMillis = 1_000): ServerError {
  return new ServerError(ErrorReason.STORAGE_UNAVAILABLE, message, { cause, retryAfterMillis });
}

/**
 * Another instance deleted the store during the operation, and may have created a new one. Nothing was read or written.
 * A caller may open the store again, and then finds an empty one.
 */
export class StoreDeletedError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.NOT_FOUND, "the store was deleted", { cause });
  }
}

/** The store was closed before the operation started. A caller may open the store again. */
export class StoreClosedError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.STORAGE_UNAVAILABLE, "the store is closed", { cause, retryAfterMillis: 1_000 });
  }
}

/** The store failed to open a moment ago, so this call did not try again. Only the earlier failure is known. */
export class NotTriedError extends ServerError {}

/** An append was refused before it wrote anything, because the remaining room is reserved for other operations. */
export class NoRoomError extends ServerError {
  constructor(cause?: unknown) {
    super(ErrorReason.DISK_FULL, "no space left on the device of the store", { cause, retryAfterMillis: 5_000 });
  }
}

/** An import met entries of another history in the store. It wrote nothing of the refused part. */
export class ImportConflictError extends ServerError {
  constructor(message: string) {
    super(ErrorReason.SEQUENCE_MISMATCH, message);
  }
}

/** The storage cannot work until an operator changes something: permissions, a path, credentials. */
export class StorageUnusableError extends ServerError {
  constructor(message: string, cause?: unknown) {
    super(ErrorReason.STORAGE_UNAVAILABLE, message, { cause, retryAfterMillis: 5_000 });
  }
}

/** A defect: the code around it rules this state out. */
export function defect(message: string): ServerError {
  return new ServerError(ErrorReason.INTERNAL, message);
}
