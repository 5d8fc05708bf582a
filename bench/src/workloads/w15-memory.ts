import { randomUUID } from "node:crypto";
import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import type { RunContext, Workload } from "../harness/workload.ts";
import { Callers } from "../memory/callers.ts";
import { Crowd } from "../memory/crowd.ts";
import { startMeasured } from "../memory/measured-server.ts";
import { forgetPeak, resident } from "../memory/resident.ts";
import type { Section } from "../report/section.ts";
import { figure, type Table, whole } from "../report/table.ts";

const MIB = 1024 * 1024;
const LABEL_BYTES = 4_095;
const QUIET_MILLIS = 2_000;
/** Bytes that an unfinished request has sent. */
const UNFINISHED_BYTES = 64 * 1024;
/** Bytes of each record that paused readers could read, and their number: 62.5 MiB in all. */
const RECORD_BYTES = 32 * 1024;
const RECORDS = 2_000;
/** Records of one append. */
const RECORDS_PER_APPEND = 25;
/** Workers that join and leave while others observe. */
const CHANGES = 50;

/** Memory of the server with connections, calls, groups of workers and subscribers, and after each has gone. */
export const memory: Workload = {
  id: "W15",
  title: "memory with connections, unfinished calls, paused readers, workers and subscribers",

  async run(context: RunContext): Promise<Section> {
    const small = Math.max(20, Math.round(context.records / 1_000));
    const large = Math.max(24, Math.round((context.records / 1_000) * 1.2));
    const server = await startMeasured(["--storage", "memory"], context.folder);
    try {
      const rows: string[][] = [];
      const store = randomUUID();
      // Code that is loaded and compiled at the first call does not count.
      await using warm = new Crowd(server.address, store);
      await warm.add("warm", workers(10, 0));
      await warm.quiet(QUIET_MILLIS);
      const base = await server.inUse();
      const first = await resident(server.pid);
      rows.push(["server that was called", "-", mib(base), "-", mib(first.now), mib(first.peak)]);

      const measure = async (label: string, subscribers: number, from: number, work: () => Promise<void>) => {
        context.progress(`W15 ${label}`);
        await forgetPeak(server.pid);
        await work();
        const now = await server.inUse();
        const rss = await resident(server.pid);
        const [more, each] =
          subscribers === 0 ? ["-", "-"] : [whole(subscribers), figure((now - from) / subscribers / 1024)];
        rows.push([label, more, mib(now), each, mib(rss.now), mib(rss.peak)]);
        return now;
      };

      const callers = Math.max(20, Math.round(context.records / 1_000));
      const readers = Math.max(16, Math.round((context.records / 1_000_000) * 256));
      const hold = async (label: string, count: number, from: number, open: (some: Callers) => Promise<void>) => {
        await using some = new Callers(server.address);
        await measure(`${whole(count)} ${label}`, count, from, () => open(some));
      };
      await hold("idle connections, HTTP/1.1", callers, base, (some) => some.addIdleHttp1(callers));
      await measure("when they have gone", 0, base, async () => {});
      await hold("idle connections, HTTP/2", callers, base, (some) => some.addIdleHttp2(callers));
      await measure("when they have gone", 0, base, async () => {});
      await hold("unfinished requests, 64 KiB of each", callers, base, (some) =>
        some.addUnfinishedRequests(callers, UNFINISHED_BYTES),
      );
      await measure("when they have gone", 0, base, async () => {});
      const stored = await measure("62.5 MiB of entries in memory storage", 0, base, () => fill(server.address, store));
      await hold("paused readers", readers, stored, (some) => some.addPausedReaders(readers, store, "read", "long"));
      await measure("when they have gone", 0, stored, async () => {});
      {
        await using crowd = new Crowd(server.address, store);
        await measure(`group of ${whole(small)} workers without labels`, small, stored, async () => {
          await crowd.add("small", workers(small, 0));
          await crowd.quiet(QUIET_MILLIS);
        });
      }
      await measure("when they have gone", 0, stored, () => gone(server.address, store, "small"));
      {
        await using crowd = new Crowd(server.address, store);
        const labelled = `${whole(large)} workers with 4 KiB of labels`;
        const group = await measure(`group of ${labelled}`, large, stored, async () => {
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
      await measure("when all have gone", 0, stored, () => gone(server.address, store, "large"));
      return {
        heading: `W15 Memory: ${whole(callers)} connections and unfinished requests, ${whole(readers)} paused readers, presence with up to ${whole(large)} workers and ${whole(2 * small)} observers of one group`,
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

/** Writes the entries that paused readers do not take. */
async function fill(address: string, store: string): Promise<void> {
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: address }) });
  const segment = client.store(store).space("read").segment("long");
  const records = Array.from({ length: RECORDS_PER_APPEND }, () => new Uint8Array(RECORD_BYTES));
  for (let written = 0; written < RECORDS; written += RECORDS_PER_APPEND) await segment.append(records);
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
  const columns = ["step", "more of them", "in use, MiB", "KiB for each", "RSS, MiB", "peak RSS, MiB"];
  return { caption: "Memory of the server process", columns, rows };
}
