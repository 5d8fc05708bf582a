import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import type { RunContext, Workload } from "../harness/workload.ts";
import { Crowd } from "../memory/crowd.ts";
import { forgetPeak, inUse, resident } from "../memory/resident.ts";
import { startStreamkit } from "../peers/streamkit-process.ts";
import type { Section } from "../report/section.ts";
import { figure, type Table, whole } from "../report/table.ts";

const MIB = 1024 * 1024;
const LABEL_BYTES = 4_095;
const QUIET_MILLIS = 2_000;
/** Workers that join and leave while others observe. */
const CHANGES = 50;

/** Memory of the server with groups of workers and crowds of subscribers, and after they have gone. */
export const memory: Workload = {
  id: "W15",
  title: "memory with groups of workers and subscribers",

  async run(context: RunContext): Promise<Section> {
    const small = Math.max(20, Math.round(context.records / 1_000));
    const large = Math.max(24, Math.round((context.records / 1_000) * 1.2));
    const file = join(context.folder, "in-use");
    const collector = new URL("../memory/collect-on-signal.ts", import.meta.url);
    collector.searchParams.set("file", file);
    const server = await startStreamkit(["--storage", "memory"], ["--expose-gc", "--import", collector.href]);
    try {
      const rows: string[][] = [];
      const store = randomUUID();
      // Code that is loaded and compiled at the first call does not count.
      await using warm = new Crowd(server.address, store);
      await warm.add("warm", workers(10, 0));
      await warm.quiet(QUIET_MILLIS);
      const base = await inUse(server.pid, file);
      const first = await resident(server.pid);
      rows.push(["server that was called", "-", mib(base), "-", mib(first.now), mib(first.peak)]);

      const measure = async (label: string, subscribers: number, from: number, work: () => Promise<void>) => {
        context.progress(`W15 ${label}`);
        await forgetPeak(server.pid);
        await work();
        const now = await inUse(server.pid, file);
        const rss = await resident(server.pid);
        const [more, each] =
          subscribers === 0 ? ["-", "-"] : [whole(subscribers), figure((now - from) / subscribers / 1024)];
        rows.push([label, more, mib(now), each, mib(rss.now), mib(rss.peak)]);
        return now;
      };

      {
        await using crowd = new Crowd(server.address, store);
        await measure(`group of ${whole(small)} workers without labels`, small, base, async () => {
          await crowd.add("small", workers(small, 0));
          await crowd.quiet(QUIET_MILLIS);
        });
      }
      await measure("when they have gone", 0, base, () => gone(server.address, store, "small"));
      {
        await using crowd = new Crowd(server.address, store);
        const labelled = `${whole(large)} workers with 4 KiB of labels`;
        const group = await measure(`group of ${labelled}`, large, base, async () => {
          await crowd.add("large", workers(large, LABEL_BYTES));
          await crowd.quiet(QUIET_MILLIS);
        });
        const observed = await measure(`and ${whole(small)} observers`, small, group, async () => {
          await crowd.add(
            "large",
            Array.from({ length: small }, () => ({})),
          );
          await crowd.quiet(QUIET_MILLIS);
        });
        const before = crowd.bytes;
        await measure(`and ${CHANGES} workers that come and go`, 0, observed, async () => {
          for (let round = 0; round < CHANGES; round++) {
            await using passing = new Crowd(server.address, store);
            await passing.add("large", [{ id: `passing-${round}`, labelBytes: LABEL_BYTES, paused: true }]);
          }
          await crowd.quiet(QUIET_MILLIS);
        });
        context.progress(`W15 changes: ${whole(crowd.bytes - before)} bytes read`);
        await measure(`and ${whole(small)} observers that read nothing`, small, observed, async () => {
          await crowd.add(
            "large",
            Array.from({ length: small }, () => ({ paused: true })),
          );
          await crowd.quiet(QUIET_MILLIS);
        });
      }
      await measure("when all have gone", 0, base, () => gone(server.address, store, "large"));
      return {
        heading: `W15 Memory: presence with up to ${whole(large)} workers and ${whole(2 * small)} observers of one group`,
        notes: [
          "streamkit: the standalone server with memory storage; subscribers over HTTP/2, 100 per connection, in another process.",
          "Each worker is a subscriber too. In use: heap and buffers after garbage was collected. The peak is the most RSS in the step; the C library keeps pages for later.",
        ],
        tables: [table(rows)],
      };
    } finally {
      await server.stop();
    }
  },
};

function workers(count: number, labelBytes: number) {
  return Array.from({ length: count }, (_, index) => ({ id: `worker-${index}`, labelBytes }));
}

/** Waits until a group has no workers. */
async function gone(address: string, store: string, group: string): Promise<void> {
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: address }) });
  for await (const inventory of client.store(store).presence(group).watch()) if (inventory.length === 0) break;
}

function mib(bytes: number): string {
  return figure(bytes / MIB);
}

function table(rows: readonly string[][]): Table {
  const columns = ["step", "more subscribers", "in use, MiB", "KiB for each", "RSS, MiB", "peak RSS, MiB"];
  return { caption: "Memory of the server process", columns, rows };
}
