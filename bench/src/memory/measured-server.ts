import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type ServerProcess, startStreamkit } from "../peers/streamkit-process.ts";
import { inUse } from "./resident.ts";

/** A server that tells how much memory it has in use. */
export interface MeasuredServer extends ServerProcess {
  /** Bytes in use after a collection of garbage. */
  inUse(): Promise<number>;
}

/** Starts a server with these options. It reports its memory in a file of the folder. */
export async function startMeasured(options: readonly string[], folder: string): Promise<MeasuredServer> {
  const file = join(folder, `in-use-${randomUUID()}`);
  const collector = new URL("collect-on-signal.ts", import.meta.url);
  collector.searchParams.set("file", file);
  const server = await startStreamkit(options, ["--expose-gc", "--import", collector.href]);
  return { ...server, inUse: () => inUse(server.pid, file) };
}
