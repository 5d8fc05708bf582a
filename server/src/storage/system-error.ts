/**
 * Failures of system calls, by their code. LevelDB passes on only the text of a failure; the text then gives the code.
 */

/** Codes that other code depends on, with their texts in C libraries, in lower case. */
const TEXTS: readonly (readonly [string, string])[] = [
  ["no space left on device", "ENOSPC"],
  ["disk quota exceeded", "EDQUOT"],
  ["disc quota exceeded", "EDQUOT"],
  ["quota exceeded", "EDQUOT"],
  ["read-only file system", "EROFS"],
  ["permission denied", "EACCES"],
  ["operation not permitted", "EPERM"],
  ["too many open files in system", "ENFILE"],
  ["too many open files", "EMFILE"],
  ["no file descriptors available", "EMFILE"],
  ["input/output error", "EIO"],
  ["i/o error", "EIO"],
  ["not a directory", "ENOTDIR"],
  ["no such file or directory", "ENOENT"],
];

/** The codes in words, for readers that must not see paths. */
const WORDS: Readonly<Record<string, string>> = {
  EROFS: "the volume is read-only",
  EACCES: "the server has no permission for a file or folder of the storage",
  EPERM: "the server has no permission for a file or folder of the storage",
  EMFILE: "the server has too many files open",
  ENFILE: "the machine has too many files open",
  EIO: "the device failed",
  ENOTDIR: "the path of the storage leads through a file",
  ELOOP: "the path of the storage leads in a circle of links",
  ENAMETOOLONG: "the path of the storage is too long",
};

/** The code of the failed system call in an error or in its causes; undefined if there is none. */
export function systemCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
    // LevelDB: "IO error: <path>: <text of the C library>".
    if (code === "LEVEL_IO_ERROR" || at.message.startsWith("IO error: ")) return codeOfText(at.message);
  }
  return undefined;
}

/** True if the device or a quota has no room left. */
export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** The problem in words, without paths; undefined for codes that tell an operator nothing. */
export function systemProblem(error: unknown): string | undefined {
  return WORDS[systemCode(error) ?? ""];
}

function codeOfText(message: string): string | undefined {
  const text = message.slice(message.lastIndexOf(": ") + 2).toLowerCase();
  return TEXTS.find(([known]) => text === known)?.[1];
}
