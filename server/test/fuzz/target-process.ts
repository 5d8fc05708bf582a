import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Holdings } from "./target.ts";

const TARGET = fileURLToPath(new URL("target.ts", import.meta.url));

/** The server under test, with its observable facts. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  /** Defects that the server reported. */
  readonly defects: readonly string[];
  holdings(): Promise<Holdings>;
}

export async function startTarget(): Promise<Target> {
  const child = fork(TARGET, {
    execArgv: ["--expose-gc", "--conditions=@streamkit/source"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const defects: string[] = [];
  const waiting: ((holdings: Holdings) => void)[] = [];
  const started = Promise.withResolvers<string>();
  child.on("message", (message: { url?: string; defect?: string; holdings?: Holdings }) => {
    if (message.url !== undefined) started.resolve(message.url);
    if (message.defect !== undefined) defects.push(message.defect);
    if (message.holdings !== undefined) waiting.shift()?.(message.holdings);
  });
  child.once("exit", (code) => started.reject(new Error(`the fuzzed server ended with code ${code}`)));
  return {
    url: await started.promise,
    child,
    defects,
    holdings() {
      const { promise, resolve } = Promise.withResolvers<Holdings>();
      waiting.push(resolve);
      child.send("holdings");
      return promise;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}
