import { readdirSync, readFileSync } from "node:fs";

/** Set in every process of a run, to the id of the run. */
export const RUN_VARIABLE = "STREAMKIT_TEST_RUN";
/** Set by every test worker for its children, to the name of the worker (`processName`). */
export const WORKER_VARIABLE = "STREAMKIT_TEST_WORKER";

/** A process of a test run. */
export interface RunProcess {
  readonly pid: number;
  readonly command: string;
  /** The test worker that started the process, as a `processName`; undefined for vitest itself and its workers. */
  readonly worker: string | undefined;
}

/**
 * The processes of a run, without this one. These are the processes with the id of the run in their environment, even
 * if their parents have died or they lead groups of their own; and the processes in the session of the run, with any
 * environment. Works on Linux; finds nothing on other systems.
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
    // A process that has ended, unnoticed by its parent, has no command.
    if (command === "") continue;
    found.push({ pid, command, worker: worker?.slice(WORKER_VARIABLE.length + 1) });
  }
  return found;
}

/**
 * A name for a process that no later process has: its id, and its start time. Undefined if there is no such process.
 */
export function processName(pid: number): string | undefined {
  const stat = statOf(pid);
  return stat === undefined || stat.state === "Z" ? undefined : `${pid}:${stat.startTime}`;
}

/**
 * True if a process still runs.
 *
 * @param name as `processName` returns it
 */
export function isAlive(name: string): boolean {
  return processName(Number(name.split(":", 1)[0])) === name;
}

/**
 * The processes that started this one, as `processName`s: its parent; and npm, if npm is the parent of a shell that is
 * the parent of this process. If one of them is gone, nobody waits for the run any more.
 */
export function starters(): string[] {
  const found = [processName(process.ppid)];
  const isShell = /^(ba|da)?sh$/.test(read(process.ppid, "comm")?.trim() ?? "");
  const npm = isShell && process.env.npm_lifecycle_event !== undefined ? statOf(process.ppid)?.parent : undefined;
  if (npm !== undefined) found.push(processName(npm));
  return found.filter((name) => name !== undefined);
}

/** Ends a process at once. Does nothing if the process has already ended. */
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
    // Not Linux.
    return [];
  }
}

/** See proc(5). The name of the program is in parentheses, and may contain any characters. */
function statOf(pid: number): { state: string; parent: number; session: number; startTime: string } | undefined {
  const text = read(pid, "stat");
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent, , session] = fields;
  return { state, parent: Number(parent), session: Number(session), startTime: fields[19] ?? "" };
}

/** A file of a process; undefined if the process has ended, or belongs to another user. */
function read(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}
