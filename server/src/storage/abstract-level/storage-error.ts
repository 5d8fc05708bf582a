/** Translates what an abstract-level database throws. The only place that knows LevelDB's codes and messages. */
import { ErrorReason } from "@streamkit/protocol";
import { dataLoss, ServerError, StoreClosedError, storageUnavailable } from "../../errors.ts";
import { isDiskFull, systemCode, systemProblem } from "../system-error.ts";

/**
 * A failure of the database or of its files as the port words it. Messages name no path; the original error is the
 * cause.
 */
export function storageError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  switch (rootCode(error)) {
    case "LEVEL_CORRUPTION":
      return dataLoss("the database is damaged", error);
    case "LEVEL_LOCKED":
      return storageUnavailable("the store is open already, here or in another process", error);
    case "LEVEL_DATABASE_NOT_OPEN":
    case "LEVEL_ITERATOR_NOT_OPEN":
      return new StoreClosedError(error);
  }
  if (isDiskFull(error)) return diskFull(error);
  const text = rootMessage(error);
  if (text.startsWith("IO error") && systemCode(error) === "ENOENT") {
    return dataLoss("a file of the database is missing", error);
  }
  // Reading behind the end of a table: the file was cut.
  if (/^IO error: .*\.(ldb|sst): Invalid argument/.test(text))
    return dataLoss("a table of the database is damaged", error);
  // Synchronous reads carry the status as text, without a code.
  if (text.startsWith("Corruption: ")) return dataLoss("the database is damaged", error);
  const problem = systemProblem(error);
  return storageUnavailable(problem === undefined ? "the database failed" : `the database failed: ${problem}`, error);
}

/** Whether the database could not be opened because someone else has it open. */
export function isLockedError(error: unknown): boolean {
  return rootCode(error) === "LEVEL_LOCKED";
}

/** There is no room for what was to be written. */
function diskFull(cause?: unknown): ServerError {
  return new ServerError(ErrorReason.DISK_FULL, "no space left on the device of the store", {
    cause,
    retryAfterMillis: 5_000,
  });
}

/** abstract-level wraps what happened while opening in LEVEL_DATABASE_NOT_OPEN; the cause says what it was. */
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
