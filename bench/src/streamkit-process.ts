import { fileURLToPath } from "node:url";
import type { Server } from "./peers/peer.ts";
import { startNode, stopProcess, waitForOutput } from "./processes.ts";

/** Starts Streamkit's server in a process of its own, on a free port. */
export async function startStreamkit(options: readonly string[], nodeFlags: readonly string[] = []): Promise<Server> {
  const bin = fileURLToPath(new URL("bin.ts", import.meta.resolve("@streamkit/server")));
  // As npm start does: docs/decisions/0008.
  const child = startNode(bin, ["--port", "0", ...options], ["--initial-old-space-size=128", ...nodeFlags]);
  const [address] = await waitForOutput(child, /http:\/\/[\w.]+:\d+/);
  return { address, stop: () => stopProcess(child) };
}
