import { readFileSync } from "node:fs";

/** Files that connections leave to storage, logs and name look-ups. */
const RESERVED_FILES = 256;

/**
 * How many files this process may have open; undefined where the platform does not tell.
 *
 * Node raises its soft limit to the hard one at start, so the value stays.
 */
export function fileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** How many of so many connections a process that may open so many files can hold and still open its stores. */
export function connectionsFor(wanted: number, files: number | undefined): number {
  if (files === undefined) return wanted;
  return Math.max(1, Math.min(wanted, files - Math.min(RESERVED_FILES, Math.floor(files / 2))));
}
