import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

/** The outcome of a command. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: Buffer;
  readonly error: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Bytes for the standard input. */
  readonly input?: Uint8Array;
  /** True to kill the process when it has taken the input, up to what the pipe holds. The input then does not end. */
  readonly killAfterInput?: boolean;
}

/** Runs `streamkit-server` with these words until it ends. */
export async function streamkitServer(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, ["--conditions=@streamkit/source", BIN, ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    cwd: options.cwd,
    env: { ...process.env, ...options.environment },
  });
  const out: Buffer[] = [];
  let error = "";
  child.stdout.on("data", (bytes) => out.push(bytes));
  child.stderr.on("data", (bytes) => {
    error += bytes;
  });
  // A command that does not read its input closes it.
  child.stdin.on("error", () => undefined);
  if (options.killAfterInput === true) child.stdin.write(options.input ?? "", () => child.kill("SIGKILL"));
  else child.stdin.end(options.input);
  const [code, signal] = await once(child, "close");
  return { code, signal, out: Buffer.concat(out), error };
}
