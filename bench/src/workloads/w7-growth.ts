import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createStreamkitClient, type ListPage, type SpaceHandle } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import type { RunContext, Workload } from "../harness/workload.ts";
import { startMeasured } from "../memory/measured-server.ts";
import { cpuMillis, forgetPeak, resident } from "../memory/resident.ts";
import type { ServerProcess } from "../peers/streamkit-process.ts";
import type { Section } from "../report/section.ts";
import { figure, type Table, whole } from "../report/table.ts";

type Space = SpaceHandle<Uint8Array, Uint8Array>;

const MIB = 1024 * 1024;
const STEPS = [1_000, 10_000, 100_000, 1_000_000];
const RECORD = new Uint8Array(256);
const WRITERS = 64;
/** Measured appends of all writers together. */
const APPENDS = 4_000;
/** Measured lists, after an unmeasured one. */
const LISTS = 3;
/** Segments of a page of a list. */
const PAGE = 1_000;
/** Time for a server to settle, in milliseconds. V8 returns memory with a delay. */
const SETTLING_MILLIS = 10_000;

/** Cost of appends and lists, and memory of the server, as the number of written segments grows. */
export const growth: Workload = {
  id: "W7",
  title: "growth of the number of segments: appends, lists and memory",

  async run(context: RunContext): Promise<Section> {
    const most = context.records / 10;
    const steps = STEPS.filter((segments) => segments <= most);
    const server = await startMeasured(["--path", join(context.folder, "w7")], context.folder);
    try {
      const transport = createNodeTransport({ baseUrl: server.address });
      const space = createStreamkitClient({ transport }).store(randomUUID()).space("growth") as Space;
      const rows: string[][] = [];
      // The first writes to any segment make a new server grow: write buffers of LevelDB, room for garbage.
      context.progress("W7 warm-up");
      for (let round = 0; round < 2; round++) await space.produce(records(0, Math.max(...steps), STEPS[0]));
      let written = STEPS[0];
      for (const segments of steps) {
        context.progress(`W7 ${whole(segments)} segments`);
        await forgetPeak(server.pid);
        await space.produce(records(written, segments));
        written = segments;
        const append = await appends(server, space, segments);
        const list = await lists(server, space, segments);
        await new Promise((resolve) => setTimeout(resolve, SETTLING_MILLIS));
        const { now, peak } = await resident(server.pid);
        const kept = await server.inUse();
        rows.push([
          whole(segments),
          ...append,
          ...list,
          figure(now / MIB),
          figure(peak / MIB),
          figure(kept / MIB),
          figure((await resident(server.pid)).now / MIB),
        ]);
      }
      return {
        heading: `W7 Growth: one space with up to ${whole(steps.at(-1) ?? 0)} segments, LevelDB`,
        notes: [
          `A warm-up writes twice as many records as the largest step has segments to ${whole(STEPS[0])} segments; so memory that comes with any writes (write buffers of LevelDB, space for garbage) is there before the first figure.`,
          `Each new segment gets one record of ${RECORD.length} bytes. ${WRITERS} writers then append to random segments, and one client lists all segments ${LISTS} times, over HTTP/2.`,
          `RSS is read ${SETTLING_MILLIS / 1_000} s after the last call. In use: heap and buffers after a forced collection, which comes after that; "collected" is the RSS behind it.`,
        ],
        tables: [table(rows)],
      };
    } finally {
      await server.stop();
    }
  },
};

/** A record for each number, in a segment of its own, or in one of `segments` segments. */
function* records(from: number, to: number, segments = to) {
  for (let i = from; i < to; i++) yield { segment: nameOf(i % segments), record: RECORD };
}

function nameOf(index: number): string {
  return `segment-${index}`;
}

/** Milliseconds of CPU per append, of the server and of the client. */
async function appends(server: ServerProcess, space: Space, segments: number): Promise<string[]> {
  const write = async (count: number): Promise<void> => {
    const writer = async () => {
      for (let i = 0; i < count / WRITERS; i++) {
        await space.segment(nameOf(Math.floor(Math.random() * segments))).append([RECORD]);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
  };
  await write(APPENDS / 4);
  const before = await cpuOf(server);
  await write(APPENDS);
  const after = await cpuOf(server);
  return [after.server - before.server, after.client - before.client].map((millis) => figure(millis / APPENDS));
}

/** Microseconds per listed segment: time of all pages, of the fastest page, and CPU of the server and of the client. */
async function lists(server: ServerProcess, space: Space, segments: number): Promise<string[]> {
  let fastest = Number.POSITIVE_INFINITY;
  const list = async (): Promise<void> => {
    let listed = 0;
    let pageToken: string | undefined = "";
    while (pageToken !== undefined) {
      const asked = performance.now();
      const page: ListPage<unknown> = await space.listSegments({ pageSize: PAGE, pageToken }).page();
      listed += page.items.length;
      if (page.items.length === PAGE) fastest = Math.min(fastest, (performance.now() - asked) / PAGE);
      pageToken = page.nextPageToken;
    }
    if (listed !== segments) throw new Error(`the list has ${listed} segments in place of ${segments}`);
  };
  await list();
  const before = await cpuOf(server);
  const start = performance.now();
  for (let i = 0; i < LISTS; i++) await list();
  const time = performance.now() - start;
  const after = await cpuOf(server);
  const each = [time, after.server - before.server, after.client - before.client].map(
    (millis) => millis / (LISTS * segments),
  );
  return [each[0], fastest, each[1], each[2]].map((millis) => figure(millis * 1_000));
}

async function cpuOf(server: ServerProcess): Promise<{ server: number; client: number }> {
  const { user, system } = process.cpuUsage();
  return { server: await cpuMillis(server.pid), client: (user + system) / 1_000 };
}

function table(rows: readonly string[][]): Table {
  const columns = [
    "segments",
    "append: server CPU, ms",
    "client CPU, ms",
    "list, us per segment",
    "fastest page, us",
    "server CPU, us",
    "client CPU, us",
    "RSS, MiB",
    "peak RSS, MiB",
    "in use, MiB",
    "collected RSS, MiB",
  ];
  return { caption: "Costs of one call, and memory of the server process", columns, rows };
}
