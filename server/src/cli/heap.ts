const FLAG = "--initial-old-space-size";

/**
 * Starts Node again with a larger initial heap, in the same process; see docs/decisions/0008. Does nothing if Node
 * already has the flag, if the system cannot replace a process (Windows), or if this is a child with a channel to its
 * parent, which a restart would close.
 */
export function growHeap(): void {
  if (process.execve === undefined || process.platform === "win32" || process.channel !== undefined) return;
  if (process.execArgv.some((flag) => flag.startsWith(FLAG))) return;
  process.execve(process.execPath, [process.execPath, `${FLAG}=128`, ...process.execArgv, ...process.argv.slice(1)]);
}
