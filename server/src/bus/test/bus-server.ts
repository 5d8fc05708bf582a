/** A real bus server as a process, for tests: on a free port of the loopback interface, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../test/free-port.ts";

const START_MILLIS = 30_000;
const ATTEMPTS = 5;

export interface BusServer extends AsyncDisposable {
  /** How to connect to the server, with the credentials it requires. */
  readonly url: string;
  readonly port: number;
  /** Stops the process in the middle of its work, like a swapping machine or a network that swallows packets. */
  pause(): void;
  resume(): void;
  /** Ends the process as a power failure would. */
  kill(): Promise<void>;
  /** Starts the server again on the same port, after `kill`. */
  restart(): Promise<void>;
  /** Ends the server for good, and removes its folder. */
  stop(): Promise<void>;
}

/** How to start one kind of server. */
export interface Program {
  readonly command: string;
  readonly arguments: (port: number, folder: string) => readonly string[];
  /** Matches the line that the server writes once it accepts connections. */
  readonly readyLine: RegExp;
  readonly url: (port: number) => string;
}

/** Starts a server, which ends with `stop` or with this process. */
export async function startBusServer(program: Program): Promise<BusServer> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-bus-"));
  // Another process may take the chosen port before the server does.
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const port = await freePort();
    const child = await start(program, port, folder);
    if (child !== undefined) return serverOf(program, port, folder, child);
  }
  await rm(folder, { recursive: true });
  throw new Error(`${program.command} did not start on any of ${ATTEMPTS} free ports`);
}

function serverOf(program: Program, port: number, folder: string, first: ChildProcess): BusServer {
  let child = first;
  const server: BusServer = {
    url: program.url(port),
    port,
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    async restart() {
      const started = await start(program, port, folder);
      if (started === undefined) throw new Error(`${program.command} did not start again on port ${port}`);
      child = started;
    },
    async stop() {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  return server;
}

/** Resolves once the server accepts connections; with undefined if it ends before that. */
async function start(program: Program, port: number, folder: string): Promise<ChildProcess | undefined> {
  const child = spawn(program.command, program.arguments(port, folder), {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    // Servers are often in folders that the PATH of an ordinary user lacks.
    env: { ...process.env, PATH: [process.env.PATH, "/usr/local/sbin", "/usr/sbin"].join(delimiter) },
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const timeout = setTimeout(kill, START_MILLIS);
  const failed = Promise.withResolvers<false>();
  child.once("error", failed.reject);
  child.once("exit", () => failed.resolve(false));
  // One kind of server writes to stdout, the other to stderr.
  const ready = new Promise<true>((resolve) => {
    for (const output of [child.stdout, child.stderr]) {
      createInterface(output).on("line", (line) => {
        if (program.readyLine.test(line)) resolve(true);
      });
    }
  });
  try {
    return (await Promise.race([ready, failed.promise])) ? child : undefined;
  } finally {
    clearTimeout(timeout);
  }
}
