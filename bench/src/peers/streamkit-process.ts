import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startNode, stopProcess, waitForOutput } from "../tools/processes.ts";
import { makeSecret } from "../tools/tokens.ts";
import type { Server } from "./peer.ts";

/** A server together with its process. */
export interface ServerProcess extends Server {
  readonly pid: number;
}

/** Starts Streamkit's server in a process of its own, on a free port. */
export async function startStreamkit(
  options: readonly string[],
  nodeFlags: readonly string[] = [],
): Promise<ServerProcess> {
  const bin = fileURLToPath(new URL("bin.ts", import.meta.resolve("@streamkit/server")));
  // As `npm start` does: docs/decisions/0008.
  const child = startNode(bin, ["--port", "0", ...options], ["--initial-old-space-size=128", ...nodeFlags]);
  const [address] = await waitForOutput(child, /http:\/\/[\w.]+:\d+/);
  return { address, pid: child.pid!, stop: () => stopProcess(child) };
}

/** Starts the server with LevelDB storage and a secret for tokens (tools/tokens.ts). */
export async function startWithTokens(
  dataFolder: string,
  options: readonly string[],
  nodeFlags: readonly string[] = [],
): Promise<ServerProcess & { readonly secret: string }> {
  const secret = makeSecret();
  const file = join(dataFolder, "secret");
  await writeFile(file, secret, { mode: 0o600 });
  const storage = ["--storage", "level", "--path", join(dataFolder, "data")];
  const server = await startStreamkit([...storage, "--auth-secret-file", file, ...options], nodeFlags);
  return { ...server, secret };
}
