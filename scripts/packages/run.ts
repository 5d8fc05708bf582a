import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, dirname } from "node:path";

export interface RunOptions {
  readonly cwd: string;
  /** The Node for scripts of the command. Default: this one. */
  readonly node?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

function start(command: string, args: readonly string[], { cwd, node = process.execPath }: RunOptions): ChildProcess {
  // npm passes its settings in variables, and its own Node in PATH. Programs outside must see neither.
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD|NODE_OPTIONS|STREAMKIT_|PORT$)/i.test(name),
  );
  const outer = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const env = { ...Object.fromEntries(kept), PATH: [dirname(node), ...outer].join(delimiter), CI: "1" };
  return spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
}

/** Runs a command. Resolves with its output, even if it fails. */
export async function finish(command: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const child = start(command, args, options);
  const written = collect(child);
  const [code] = await once(child, "close");
  return { code, ...written };
}

/**
 * Runs a command that must succeed.
 *
 * @throws Error with the output if it fails
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { code, out, error } = await finish(command, args, options);
  if (code === 0) return out;
  throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${out}\n${error}`);
}

/** Starts a program that keeps running, together with its children. Resolves with the first matching line. */
export async function serve(
  command: string,
  args: readonly string[],
  ready: RegExp,
  options: RunOptions,
): Promise<{ readonly match: RegExpExecArray } & AsyncDisposable> {
  const child = start(command, args, options);
  const written = collect(child);
  const closed = once(child, "close");
  let match = ready.exec(written.out);
  while (match === null) {
    const ended = await Promise.race([once(child.stdout!, "data").then(() => false), closed.then(() => true)]);
    match = ready.exec(written.out);
    if (ended && match === null)
      throw new Error(`${command} ${args.join(" ")} ended:\n${written.out}\n${written.error}`);
  }
  return {
    match,
    async [Symbol.asyncDispose]() {
      // The whole process group: npx starts a shell, which starts the program.
      process.kill(-child.pid!, "SIGTERM");
      await closed;
    },
  };
}

function collect(child: ChildProcess): { out: string; error: string } {
  const written = { out: "", error: "" };
  child.stdout!.on("data", (chunk) => {
    written.out += chunk;
  });
  child.stderr!.on("data", (chunk) => {
    written.error += chunk;
  });
  return written;
}
