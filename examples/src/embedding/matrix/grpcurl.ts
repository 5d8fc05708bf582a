import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Target } from "./clients.ts";

/** Appends, reads and follows with the command `grpcurl`, which learns the protocol from the server by reflection. */
export function grpcurlRoundTrip(command: string) {
  return async ({ baseUrl, tls }: Target, signal: AbortSignal): Promise<void> => {
    const security = tls === undefined ? "-plaintext" : `-cacert=${tls.certFile}`;
    const names = { storeId: crypto.randomUUID(), space: "matrix" };
    const start = (method: string, request: object) => {
      const target = [new URL(baseUrl).host, `streamkit.v1.StreamService/${method}`];
      const options = [security, "-connect-timeout", "2", "-d", JSON.stringify({ ...names, ...request })];
      return spawn(command, [...options, ...target], { signal, stdio: ["ignore", "pipe", "pipe"] });
    };
    const append = (payload: string) =>
      output(start("Append", { appends: [{ segment: "a", records: [{ payload }] }] }));
    await append("AQ==");
    const read = await output(start("ConsumeSpace", {}));
    if (!read.includes('"AQ=="')) throw new Error(`read ${read}`);
    const following = start("ConsumeSpace", { follow: true });
    try {
      let seen = "";
      for await (const chunk of following.stdout) {
        seen += chunk;
        if (seen.includes('"Ag=="')) return;
        if (seen.includes('"AQ=="') && !seen.includes("caughtUp")) continue;
        if (seen.includes("caughtUp")) await append("Ag==");
      }
      throw new Error(`followed ${seen}`);
    } finally {
      following.kill();
    }
  };
}

/** The output of a program. Rejects with its error message if it fails. */
async function output(child: ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream }) {
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const [code, printed, complaint] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(complaint.trim().replaceAll(/\s*\n\s*/g, " "));
  return printed;
}
