/**
 * The client of a run: `node client-process.ts PEER ADDRESS`. Reads one JSON job per line from stdin, and answers each
 * with one line of JSON: { sample } or { error }. Ends with its stdin.
 */
import { createInterface } from "node:readline";
import { isPeerName, loadPeer } from "../peers/index.ts";
import type { OperationName, Sample, Session } from "../peers/peer.ts";

const [name, address] = process.argv.slice(2);
if (name === undefined || address === undefined || !isPeerName(name)) {
  throw new Error("usage: client-process.ts PEER ADDRESS");
}
// Ctrl-C reaches the whole process group, but the conductor decides when clients end.
process.on("SIGINT", () => {});

const session = await (await loadPeer(name)).connect(address);
for await (const line of createInterface({ input: process.stdin })) {
  const { operation, job } = JSON.parse(line) as { operation: OperationName; job: unknown };
  process.stdout.write(`${JSON.stringify(await run(session, operation, job))}\n`);
}
await session.close();
process.exit();

async function run(session: Session, operation: OperationName, job: unknown): Promise<{ sample: Sample } | object> {
  const perform = session[operation] as ((job: unknown) => Promise<Sample>) | undefined;
  if (perform === undefined) return { error: `${name} has no ${operation}` };
  try {
    return { sample: await perform.call(session, job) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
