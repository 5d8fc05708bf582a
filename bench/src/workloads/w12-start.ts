import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createStreamkitClient, type SpaceHandle } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { describeSample } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { resident } from "../memory/resident.ts";
import type { Sample } from "../peers/peer.ts";
import { type ServerProcess, startStreamkit } from "../peers/streamkit-process.ts";
import { type Comparison, comparisonTable, figuresTable, targetAtMost } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";
import { figure, whole } from "../report/table.ts";
import { payloads } from "../tools/payloads.ts";
import { startProcess, stopProcess, waitForOutput } from "../tools/processes.ts";
import { summarize } from "../tools/statistics.ts";

const MIB = 1024 * 1024;
const SEGMENTS = 1_000;
/** Records of 256 B that make 1 GiB, for each record of the bulk workloads at full size. */
const RECORDS_EACH = 2 ** 22 / 1_000_000;
/** Time between the first ack and the reading of the memory, in milliseconds. */
const IDLE_MILLIS = 2_000;
const MOST_RSS_MIB = 120;
const STORE = randomUUID();

const NODE = "node, an empty program";
const EMPTY = "streamkit from sources, no store yet";
const FILLED = "streamkit from sources, filled store";
const BUILT_EMPTY = "streamkit built, no store yet";
const BUILT_FILLED = "streamkit built, filled store";

const COMPARISONS: readonly Comparison[] = [
  ...[EMPTY, FILLED, BUILT_EMPTY, BUILT_FILLED].map(
    (ours): Comparison => ({ ours, against: NODE, metric: "ack", by: "ratio", bounds: [targetAtMost(10)] }),
  ),
  { ours: FILLED, against: EMPTY, metric: "ack", by: "difference", bounds: [] },
  { ours: BUILT_FILLED, against: BUILT_EMPTY, metric: "ack", by: "difference", bounds: [] },
];

type Starts = (folder: string) => Promise<ServerProcess>;

/** The way from the start of a process to its first ack, and the memory of the idle server. */
export const start: Workload = {
  id: "W12",
  title: "start: from the process to the first ack, and idle memory",

  async run(context: RunContext): Promise<Section> {
    const records = Math.round(context.records * RECORDS_EACH);
    const filled = join(context.folder, "w12-filled");
    context.progress("W12: filling the store");
    await fill(filled, records);
    const built = fileURLToPath(new URL("../../../server/dist/bin.js", import.meta.url));
    const fromSources: Starts = (folder) => startStreamkit(["--path", folder]);
    const fromBuild: Starts = (folder) => startBuilt(built, folder);
    const fresh = () => join(context.folder, `w12-${randomUUID()}`);
    const subjects = new Map<string, () => Promise<Sample>>([
      [NODE, measureNode],
      [EMPTY, () => measure(fromSources, fresh())],
      [FILLED, () => measure(fromSources, filled)],
    ]);
    if (existsSync(built)) {
      subjects.set(BUILT_EMPTY, () => measure(fromBuild, fresh()));
      subjects.set(BUILT_FILLED, () => measure(fromBuild, filled));
    }
    const { only, runs } = context;
    const chosen = [...subjects].filter(([label]) => only.length === 0 || only.some((part) => label.includes(part)));
    const rounds = new Map<string, Sample[]>(chosen.map(([label]) => [label, []]));
    for (let round = 0; round <= runs; round++) {
      for (const [label, run] of chosen) {
        const sample = await run();
        if (round > 0) rounds.get(label)!.push(sample);
        context.progress(`W12: ${round === 0 ? "warm-up" : `round ${round}`}, ${label}: ${describeSample(sample)}`);
      }
    }
    return {
      heading: `W12 Start: a server on a store of ${figure((records * 256) / MIB)} MiB in ${whole(SEGMENTS)} segments`,
      notes: [
        "Both times begin when the process is started: until it prints its address, and until a client of another process has the ack of its first append. The empty program prints one line; both its times are that one.",
        `The files are in the page cache. Memory is read ${IDLE_MILLIS / 1_000} s after the ack; its target is ${MOST_RSS_MIB} MiB: ${rssVerdicts(rounds)}.`,
        `"From sources" strips the types of each file at every start, as \`npm start\` does. "Built" is server/dist, which takes part after \`npm run build\`.`,
      ],
      tables: [
        figuresTable(rounds, { address: "ms to the address", ack: "ms to the first ack", rss: "idle RSS, MiB" }),
        comparisonTable(rounds, COMPARISONS),
      ],
    };
  },
};

async function fill(folder: string, records: number): Promise<void> {
  const server = await startStreamkit(["--path", folder]);
  try {
    const written = await spaceOf(server.address).produce(spread(records));
    if (written.records !== records) throw new Error(`the store has ${written.records} entries, expected ${records}`);
  } finally {
    await server.stop();
  }
}

function* spread(records: number) {
  let index = 0;
  for (const record of payloads(records)) yield { segment: `segment-${index++ % SEGMENTS}`, record };
}

function spaceOf(address: string): SpaceHandle<Uint8Array, Uint8Array> {
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: address }) });
  return client.store(STORE).space("start") as SpaceHandle<Uint8Array, Uint8Array>;
}

async function measure(starts: Starts, folder: string): Promise<Sample> {
  const from = performance.now();
  const server = await starts(folder);
  try {
    const address = performance.now() - from;
    await spaceOf(server.address).segment("segment-0").append(payloads(1));
    const ack = performance.now() - from;
    return { address, ack, rss: await idleRss(server.pid) };
  } finally {
    await server.stop();
  }
}

async function measureNode(): Promise<Sample> {
  const from = performance.now();
  const child = startProcess(process.execPath, ["-e", 'console.log("ready"); setInterval(() => {}, 1e6)']);
  try {
    await waitForOutput(child, /ready/);
    const ready = performance.now() - from;
    return { address: ready, ack: ready, rss: await idleRss(child.pid!) };
  } finally {
    await stopProcess(child);
  }
}

/** Starts the server as its package does. */
async function startBuilt(bin: string, folder: string): Promise<ServerProcess> {
  const child = startProcess(process.execPath, [bin, "--port", "0", "--path", folder]);
  const [address] = await waitForOutput(child, /http:\/\/[\w.]+:\d+/);
  return { address, pid: child.pid!, stop: () => stopProcess(child) };
}

async function idleRss(pid: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, IDLE_MILLIS));
  return (await resident(pid)).now / MIB;
}

function rssVerdicts(rounds: ReadonlyMap<string, readonly Sample[]>): string {
  return [...rounds]
    .filter(([label]) => label !== NODE)
    .map(([label, samples]) => {
      const { median } = summarize(samples.map(({ rss }) => rss));
      return `${label} ${median <= MOST_RSS_MIB ? "met" : "MISSED"}`;
    })
    .join(", ");
}
