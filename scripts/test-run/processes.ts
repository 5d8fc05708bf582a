import { readdirSync, readFileSync } from "node:fs";

/** Set in every process of a run: says which run it is of. */
export const RUN_VARIABLE = "STREAMKIT_TEST_RUN";
/** Set by every test worker for what it starts: the worker, as `processName` has it. */
export const WORKER_VARIABLE = "STREAMKIT_TEST_WORKER";

/** A process that a test run has started, or a process of one. */
export interface RunProcess {
  readonly pid: number;
  readonly command: string;
  /** The test worker that it is a child of, as `processName` has it; undefined for vitest itself and its workers. */
  readonly worker: string | undefined;
}

/**
 * The processes of a run, but for this one: those that have its id in their environment, also when their parents have
 * died and when they are leaders of groups of their own; and those in the session of the run, whatever they have done
 * to their environment. Linux tells; elsewhere nothing is found.
 *
 * @param session process id of the leader of the run's session
 */
export function processesOf(run: string, session: number | undefined): RunProcess[] {
  const found: RunProcess[] = [];
  for (const pid of pids()) {
    if (pid === process.pid) continue;
    const environment = read(pid, "environ")?.split("\0") ?? [];
    const isMarked = environment.includes(`${RUN_VARIABLE}=${run}`);
    if (!isMarked && (session === undefined || statOf(pid)?.session !== session)) continue;
    const worker = environment.find((each) => each.startsWith(`${WORKER_VARIABLE}=`));
    const command = (read(pid, "cmdline") ?? "").split("\0").join(" ").trim();
    // A process that has ended and waits for its parent to notice has no command.
    if (command === "") continue;
    found.push({ pid, command, worker: worker?.slice(WORKER_VARIABLE.length + 1) });
  }
  return found;
}

/** A name of a process that no later process has: its id, and when it was started. Undefined when there is none. */
export function processName(pid: number): string | undefined {
  const stat = statOf(pid);
  return stat === undefined || stat.state === "Z" ? undefined : `${pid}:${stat.startTime}`;
}

/** Whether a process goes on. @param name as `processName` has it */
export function isAlive(name: string): boolean {
  return processName(Number(name.split(":", 1)[0])) === name;
}

/**
 * Who has started this process, as `processName` has it: its parent, and npm where that is the parent of a shell which
 * is the parent of this process. Both are gone only with the run that they have asked for.
 */
export function starters(): string[] {
  const found = [processName(process.ppid)];
  const isShell = /^(ba|da)?sh$/.test(read(process.ppid, "comm")?.trim() ?? "");
  const npm = isShell && process.env.npm_lifecycle_event !== undefined ? statOf(process.ppid)?.parent : undefined;
  if (npm !== undefined) found.push(processName(npm));
  return found.filter((name) => name !== undefined);
}

/** Ends a process at once; one that has ended already is no error. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function pids(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    // No Linux.
    return [];
  }
}

/** See proc(5). The name of the program is in parentheses, and may have any characters. */
function statOf(pid: number): { state: string; parent: number; session: number; startTime: string } | undefined {
  const text = read(pid, "stat");
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent, , session] = fields;
  return { state, parent: Number(parent), session: Number(session), startTime: fields[19] ?? "" };
}

/** A file of a process; undefined when the process has ended, or is another user's. */
function read(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}
