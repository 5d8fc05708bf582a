/** Recognises failures of file operations by their code, never by their message. */

/** The path does not exist. A file in the place of a folder is a different error. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

/** The path leads through a file. */
export function isInFile(error: unknown): boolean {
  return hasCode(error, "ENOTDIR");
}

/** The target of a rename exists already. */
export function isOccupied(error: unknown): boolean {
  return hasCode(error, "ENOTEMPTY") || hasCode(error, "EEXIST");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
