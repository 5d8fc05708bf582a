import { createRequire, findPackageJSON } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { loadPeer } from "../peers/index.ts";

const PACKAGES = [
  "@connectrpc/connect-node",
  "classic-level",
  "ioredis",
  "@nats-io/jetstream",
  "@durable-streams/server",
  "@durable-streams/client",
  "azurite",
];

/** The machine and the software of a run, as lines of Markdown. */
export async function describeMachine(): Promise<string[]> {
  return [
    `CPU: ${cpus()[0]?.model.trim()}, ${availableParallelism()} cores`,
    `Memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Load average at the end (1, 5, 15 min): ${loadavg()
      .map((load) => load.toFixed(2))
      .join(", ")}; a quiet machine ends near 2`,
    `Kernel: ${type()} ${release()}`,
    `Node: ${process.version}`,
    `Servers: redis-server ${(await loadPeer("redis")).version()}, nats-server ${(await loadPeer("jetstream")).version()}, SQLite ${(await loadPeer("sqlite")).version()}`,
    `Packages: ${PACKAGES.map((name) => `${name} ${packageVersion(name)}`).join(", ")}`,
  ];
}

function packageVersion(name: string): string {
  const file = findPackageJSON(name, import.meta.url);
  if (file === undefined) throw new Error(`${name} is not installed`);
  return (createRequire(import.meta.url)(file) as { version: string }).version;
}
