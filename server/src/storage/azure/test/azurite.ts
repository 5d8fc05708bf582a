/** A real Azurite for tests: in memory, on a free port of the loopback interface. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../../test/free-port.ts";

export interface Azurite {
  readonly port: number;
  stop(): Promise<void>;
}

const startMillis = 30_000;
const attempts = 5;

/** Starts Azurite, which ends with `stop` or with this process. */
export async function startAzurite(): Promise<Azurite> {
  // Azurite does not report the port it gets for port 0, and another process may take a chosen port first.
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const azurite = await startOn(await freePort());
    if (azurite !== undefined) return azurite;
  }
  throw new Error(`Azurite did not start on any of ${attempts} free ports`);
}

async function startOn(port: number): Promise<Azurite | undefined> {
  const entry = join(dirname(createRequire(import.meta.url).resolve("azurite/package.json")), "dist/src/table/main.js");
  // In seconds. A short value would close an idle connection just when a slow test uses it again.
  const keepAlive = ["--tableKeepAliveTimeout", "3600"];
  const options = ["--tableHost", "127.0.0.1", "--tablePort", String(port), "--inMemoryPersistence", ...keepAlive];
  const child = spawn(
    process.execPath,
    [entry, ...options, "--disableTelemetry", "--skipApiVersionCheck", "--silent"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const timeout = setTimeout(kill, startMillis);
  let started = false;
  for await (const line of createInterface({ input: child.stdout })) {
    started = line.includes("successfully started");
    if (started) break;
  }
  clearTimeout(timeout);
  if (!started) return undefined;
  child.stdout.resume();
  return {
    port,
    async stop() {
      process.off("exit", kill);
      kill();
      await exited;
    },
  };
}

/** The connection string of the emulator's well-known account, with another port. */
export function connectionStringTo(port: number): string {
  return (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
    `TableEndpoint=http://127.0.0.1:${port}/devstoreaccount1;`
  );
}
