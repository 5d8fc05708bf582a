import { readFileSync } from "node:fs";

/** Files that connections leave free for storage, logs and name look-ups. */
const RESERVED_FILES = 256;

/**
 * Returns how many files this process may have open; undefined if the platform does not tell.
 *
 * Node raises its soft limit to the hard limit at start, so the value does not change later.
 */
export function fileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/**
 * Returns how many connections a process may accept and still have files for its stores.
 *
 * @param wanted the configured limit of connections
 * @param files how many files the process may have open; undefined if that is unknown
 */
export function connectionsFor(wanted: number, files: number | undefined): number {
  if (files === undefined) return wanted;
  return Math.max(1, Math.min(wanted, files - Math.min(RESERVED_FILES, Math.floor(files / 2))));
}
