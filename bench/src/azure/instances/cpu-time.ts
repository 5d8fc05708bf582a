import { readdir, readFile } from "node:fs/promises";

/** Ticks per second in /proc, on every architecture that Linux runs on today. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time of this process and its children so far, in milliseconds. `undefined` on systems other than Linux, which do
 * not report it.
 */
export async function cpuMillis(): Promise<number | undefined> {
  const { user, system } = process.cpuUsage();
  let ticks = 0;
  let names: string[];
  try {
    names = await readdir("/proc");
  } catch {
    return undefined;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    // A process that has ended in the meantime has no file.
    const stat = parseStat(await readFile(`/proc/${name}/stat`, "utf8").catch(() => ""));
    if (stat?.parent === process.pid) ticks += stat.ticks;
  }
  return (user + system) / 1_000 + (ticks * 1_000) / TICKS_PER_SECOND;
}

/** The facts in a line of /proc/<pid>/stat: the parent, and the CPU time in ticks, in user and in kernel mode. */
export function parseStat(line: string): { parent: number; ticks: number } | undefined {
  // The name in parentheses may itself contain blanks and parentheses.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 13) return undefined;
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}
