/** Translates the errors of an abstract-level database. Only this file knows LevelDB's codes and messages. */
import { ErrorReason } from "@streamkit/protocol";
import { dataLoss, ServerError, StoreClosedError, storageUnavailable } from "../../errors.ts";
import { isDiskFull, systemCode, systemProblem } from "../system-error.ts";

/**
 * Translates a failure of the database or of its files into an error of the storage port. Messages name no path; the
 * original error is the cause.
 */
export function storageError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  switch (rootCode(error)) {
    case "LEVEL_CORRUPTION":
      return dataLoss("the database is damaged", error);
    case "LEVEL_LOCKED":
      return storageUnavailable("the store is open already, here or in another process; close it there first", error);
    case "LEVEL_DATABASE_NOT_OPEN":
    case "LEVEL_ITERATOR_NOT_OPEN":
      return new StoreClosedError(error);
  }
  if (isDiskFull(error)) return diskFull(error);
  const text = rootMessage(error);
  if (text.startsWith("IO error") && systemCode(error) === "ENOENT") {
    return dataLoss("a file of the database is missing", error);
  }
  // LevelDB read behind the end of a table: the file was truncated.
  if (/^IO error: .*\.(ldb|sst): Invalid argument/.test(text))
    return dataLoss("a table of the database is damaged", error);
  // Synchronous reads carry the status as text, without a code.
  if (text.startsWith("Corruption: ")) return dataLoss("the database is damaged", error);
  const problem = systemProblem(error);
  return storageUnavailable(problem === undefined ? "the database failed" : `the database failed: ${problem}`, error);
}

/** True if opening the database failed because another process or another handle has it open. */
export function isLockedError(error: unknown): boolean {
  return rootCode(error) === "LEVEL_LOCKED";
}

/** The device has no space left for a write. */
function diskFull(cause?: unknown): ServerError {
  return new ServerError(ErrorReason.DISK_FULL, "no space left on the device of the store", {
    cause,
    retryAfterMillis: 5_000,
  });
}

/** abstract-level wraps a failure to open in LEVEL_DATABASE_NOT_OPEN; the innermost cause is the failure itself. */
function root(error: unknown): unknown {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current;
}

function rootCode(error: unknown): unknown {
  const cause = root(error);
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}

function rootMessage(error: unknown): string {
  const cause = root(error);
  return cause instanceof Error ? cause.message : String(cause);
}
