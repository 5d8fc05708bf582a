import { readFile, writeFile } from "node:fs/promises";

const MIB = 1024 * 1024;
const PAUSE_MILLIS = 200;
const PATIENCE_MILLIS = 60_000;

/** Memory of a process, in bytes. */
export interface Resident {
  readonly now: number;
  /** The maximum since the start, or since `forgetPeak`. */
  readonly peak: number;
}

export async function resident(pid: number): Promise<Resident> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1]) * 1024;
  return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
}

/** Linux counts CPU time in hundredths of a second. */
const TICK_MILLIS = 10;

/** Returns the CPU time of a process so far, in milliseconds. */
export async function cpuMillis(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program, in parentheses, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MILLIS;
}

/** Starts a new peak. See proc(5), clear_refs. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5");
}

/**
 * Bytes in use by a process. Collects its garbage until the result stops falling.
 *
 * @param file the output file of `collect-on-signal.ts` in that process
 */
export async function inUse(pid: number, file: string): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let vain = 0; vain < 4; ) {
    const bytes = await collect(pid, file);
    vain = bytes < least - MIB / 4 ? 0 : vain + 1;
    least = Math.min(least, bytes);
  }
  return least;
}

async function collect(pid: number, file: string): Promise<number> {
  const before = await report(file);
  const until = performance.now() + PATIENCE_MILLIS;
  process.kill(pid, "SIGUSR2");
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
    const { collections, bytes } = await report(file);
    if (collections > before.collections) return bytes;
  }
  throw new Error(`the server did not say in ${PATIENCE_MILLIS} ms what it has in use`);
}

async function report(file: string): Promise<{ collections: number; bytes: number }> {
  return JSON.parse(await readFile(file, "utf8").catch(() => '{"collections":0,"bytes":0}'));
}
