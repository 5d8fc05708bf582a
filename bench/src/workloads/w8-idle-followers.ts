import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createStreamkitClient, type SpaceHandle } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { createWebSocketTransport } from "@streamkit/client/websocket";
import type { RunContext, Workload } from "../harness/workload.ts";
import { Followers } from "../memory/followers.ts";
import { startMeasured } from "../memory/measured-server.ts";
import { cpuMillis, resident } from "../memory/resident.ts";
import type { Section } from "../report/section.ts";
import { figure, type Table, whole } from "../report/table.ts";

const MIB = 1024 * 1024;
const STORE = randomUUID();
const SEGMENTS_PER_SPACE = 100;
/** Entries that each active follower gets. */
const ROUNDS = 5;
const SETTLING_MILLIS = 2_000;
const TARGET_KIB = 50;
const AIM_KIB = 20;

const WAYS: readonly { readonly way: string; readonly connect: (baseUrl: string) => Transport }[] = [
  { way: "streamkit, HTTP/2", connect: (baseUrl) => createNodeTransport({ baseUrl, httpVersion: "2" }) },
  { way: "streamkit, WebSocket", connect: (baseUrl) => createWebSocketTransport({ baseUrl }) },
];

/** The price of followers: memory and CPU of the server while nothing happens, and CPU for each delivery. */
export const idleFollowers: Workload = {
  id: "W8",
  title: "idle followers: memory and CPU of the server",

  async run(context: RunContext): Promise<Section> {
    const count = Math.max(100, Math.round(context.records / 100));
    const active = count / 10;
    const idleMillis = Math.min(10_000, Math.max(2_000, context.records / 100));
    const rows: string[][] = [];
    const verdicts: string[][] = [];
    for (const { way, connect } of WAYS) {
      if (context.only.length > 0 && !context.only.some((part) => way.includes(part))) continue;
      context.progress(`W8: ${way}`);
      const cost = await measure(context, connect, { count, active, idleMillis });
      rows.push([way, ...cost.figures]);
      const met = (most: number) => `<= ${figure(most)} KiB: ${cost.rssEach <= most ? "met" : "MISSED"}`;
      verdicts.push([way, figure(cost.rssEach), met(TARGET_KIB), met(AIM_KIB)]);
    }
    return {
      heading: `W8 Idle followers: ${whole(count)}, each of a segment of its own, of which ${whole(active)} get entries afterwards`,
      notes: [
        "streamkit: the standalone server, LevelDB storage. The followers are Streamkit's clients in one other process, 100 for each connection. Each has read the first entry of its segment, and waits for the next.",
        `In use: heap and buffers after a forced collection. RSS is read ${SETTLING_MILLIS / 1_000} s behind it. CPU at idle is that of ${idleMillis / 1_000} s, in percent of one core; the keep-alive of connections is in it.`,
        `Active: ${ROUNDS} appends of one record for each of ${whole(active)} followers, 64 at a time. The CPU of the server is for an append with its delivery.`,
      ],
      tables: [
        table(rows),
        { caption: "RSS for each follower", columns: ["subject", "KiB", "first target", "aim"], rows: verdicts },
      ],
    };
  },
};

async function measure(
  context: RunContext,
  connect: (baseUrl: string) => Transport,
  { count, active, idleMillis }: { readonly count: number; readonly active: number; readonly idleMillis: number },
) {
  const name = randomUUID();
  const server = await startMeasured(["--path", join(context.folder, name)], context.folder);
  const memoryNow = async () => {
    const kept = await server.inUse();
    await pause(SETTLING_MILLIS);
    return { kept, rss: (await resident(server.pid)).now };
  };
  const crowd = (first: number) =>
    new Followers(
      () => connect(server.address),
      (client, index) => segmentOf(client, first + index),
    );
  try {
    await fill(server.address, count + SEGMENTS_PER_SPACE);
    {
      // Code that is loaded and compiled for the first followers does not count.
      await using warm = crowd(count);
      await warm.start(SEGMENTS_PER_SPACE);
      await warm.feed(SEGMENTS_PER_SPACE / 10, ROUNDS);
    }
    const before = await memoryNow();
    let [idle, idleCpu, activeCpu, seconds] = [before, 0, 0, 0];
    {
      await using followers = crowd(0);
      await followers.start(count);
      idle = await memoryNow();
      const cpuBefore = await cpuMillis(server.pid);
      await pause(idleMillis);
      const cpuBetween = await cpuMillis(server.pid);
      idleCpu = ((cpuBetween - cpuBefore) / idleMillis) * 100;
      const from = performance.now();
      await followers.feed(active, ROUNDS);
      seconds = (performance.now() - from) / 1_000;
      activeCpu = ((await cpuMillis(server.pid)) - cpuBetween) / (active * ROUNDS);
    }
    const after = await memoryNow();
    const rssEach = (idle.rss - before.rss) / count / 1024;
    return {
      rssEach,
      figures: [
        figure(before.kept / MIB),
        figure(idle.kept / MIB),
        figure((idle.kept - before.kept) / count / 1024),
        figure(before.rss / MIB),
        figure(idle.rss / MIB),
        figure(rssEach),
        figure(idleCpu),
        whole(Math.round((active * ROUNDS) / seconds)),
        figure(activeCpu),
        figure(after.kept / MIB),
      ],
    };
  } finally {
    await server.stop();
  }
}

function segmentOf(client: ReturnType<typeof createStreamkitClient>, index: number) {
  return spaceOf(client, index).segment(`follower-${index}`);
}

function spaceOf(client: ReturnType<typeof createStreamkitClient>, index: number) {
  const space = Math.floor(index / SEGMENTS_PER_SPACE);
  return client.store(STORE).space(`space-${space}`) as SpaceHandle<Uint8Array, Uint8Array>;
}

/** Writes the first entry of each segment. */
async function fill(address: string, count: number): Promise<void> {
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: address }) });
  for (let from = 0; from < count; from += SEGMENTS_PER_SPACE) {
    const segments = Array.from({ length: Math.min(SEGMENTS_PER_SPACE, count - from) }, (_, i) => from + i);
    const records = segments.map((index) => ({ segment: `follower-${index}`, record: new Uint8Array(256) }));
    await spaceOf(client, from).produce(records);
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

function table(rows: readonly string[][]): Table {
  const columns = [
    "subject",
    "in use before, MiB",
    "with followers",
    "KiB each",
    "RSS before, MiB",
    "with followers",
    "KiB each",
    "idle CPU, %",
    "active: deliveries/s",
    "server CPU, ms",
    "in use afterwards, MiB",
  ];
  return { caption: "Memory and CPU of the server process", columns, rows };
}
