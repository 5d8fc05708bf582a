import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** A running program. */
export interface Program {
  readonly child: ChildProcess;
  /** The output to stdout and stderr so far. */
  readonly output: () => string;
  /** Resolves with the match when the output matches. Rejects if the program ends before that. */
  outputMatching(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code when the program has ended. */
  readonly exit: Promise<number | null>;
}

/** Starts a TypeScript file of this repository as a program of its own. */
export function runProgram(
  file: string,
  options: { args?: readonly string[]; cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Program {
  const child = spawn(process.execPath, ["--conditions=@streamkit/source", file, ...(options.args ?? [])], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      child.emit("output");
    });
  }
  const exit = once(child, "close").then(([code]) => code as number | null);
  return {
    child,
    output: () => output,
    exit,
    outputMatching: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(output);
          if (match === null) return;
          child.off("output", look);
          resolve(match);
        };
        child.on("output", look);
        look();
        exit.then(() => reject(new Error(`ended before it wrote ${pattern}:\n${output}`)));
      }),
  };
}
