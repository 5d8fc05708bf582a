/** Names of failures of file operations: by their code, never by their message. */

/** There is nothing of that name. A file where a folder should be is something else: an error. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

/** The path leads through a file. */
export function isInFile(error: unknown): boolean {
  return hasCode(error, "ENOTDIR");
}

/** The target of a rename is there already. */
export function isOccupied(error: unknown): boolean {
  return hasCode(error, "ENOTEMPTY") || hasCode(error, "EEXIST");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
