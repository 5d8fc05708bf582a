import { execFileSync } from "node:child_process";
import { Redis } from "ioredis";
import { measureCommands } from "../tools/commands.ts";
import { measureLive } from "../tools/live-latency.ts";
import { inLanes, measureLatency, measureRate } from "../tools/measure.ts";
import { payloadAt } from "../tools/payloads.ts";
import { startProcess, stopProcess, waitForOutput } from "../tools/processes.ts";
import { ReadCheck } from "../tools/read-check.ts";
import { freePort } from "./free-port.ts";
import type {
  AggregatesJob,
  CommandsJob,
  FollowersJob,
  ManyAppendsJob,
  Peer,
  Server,
  ServerPlace,
  Session,
  StreamJob,
} from "./peer.ts";

const PIPELINE = 1_000;
const PAGE = 1_000;
const FIELD = "p";

/** Adds an entry if the stream has an expected length, and returns 1; 0 otherwise. */
const ADD_AT = `
  if redis.call("XLEN", KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
  redis.call("XADD", KEYS[1], "*", "${FIELD}", ARGV[2])
  return 1`;

/** XREAD's reply: streams, each with entries, each with an id and a flat list of fields and values. */
type XReadReply = [stream: Buffer, entries: StreamEntry[]][] | null;
type StreamEntry = [id: Buffer, fields: Buffer[]];

export const peer: Peer = {
  note: "Redis streams, appendonly yes, appendfsync always: an ack means fsynced. No AOF rewrite during the run.",

  version() {
    return execFileSync("redis-server", ["--version"], { encoding: "utf8" }).match(/v=(\S+)/)![1];
  },

  async startServer({ dataFolder }: ServerPlace): Promise<Server> {
    const port = await freePort();
    const child = startProcess("redis-server", [
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", dataFolder, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
    ]);
    await waitForOutput(child, /Ready to accept connections/);
    return { address: String(port), stop: () => stopProcess(child) };
  },

  async connect(address: string): Promise<Session> {
    const redis = new Redis(Number(address), "127.0.0.1");
    return {
      produce: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          for (let at = 0; at < records; at += PIPELINE)
            await addAll(redis, () => stream, at, Math.min(at + PIPELINE, records));
          if ((await redis.xlen(stream)) !== records) throw new Error("entries are missing");
        }),

      consume: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          const check = new ReadCheck();
          for (let last: string | Buffer = "0"; ; ) {
            const reply = (await redis.xreadBuffer("COUNT", PAGE, "STREAMS", stream, last)) as XReadReply;
            if (reply === null) break;
            const entries = reply[0][1];
            for (const [, fields] of entries) check.see(fields[1]);
            last = entries.at(-1)![0];
          }
          check.expect(records);
        }),

      append: ({ stream, records }: StreamJob) =>
        measureLatency(records, (index) => redis.xadd(stream, "*", FIELD, payloadAt(index))),

      async appendMany({ stream, streams, appends, concurrency }: ManyAppendsJob) {
        const connections = Array.from({ length: concurrency }, () => redis.duplicate());
        try {
          await Promise.all(connections.map((connection) => connection.ping()));
          const free = [...connections];
          return await measureRate(appends, () =>
            inLanes(appends, concurrency, async (index) => {
              const connection = free.pop()!;
              await connection.xadd(`${stream}-${index % streams}`, "*", FIELD, payloadAt(index));
              free.push(connection);
            }),
          );
        } finally {
          for (const connection of connections) connection.disconnect();
        }
      },

      async fillAggregates({ stream, aggregates, entries }: AggregatesJob) {
        for (let entry = 0; entry < entries; entry++) {
          // One round of all aggregates per pipeline, as if they were written in parallel.
          const pipeline = redis.pipeline();
          for (let i = 0; i < aggregates; i++) pipeline.xadd(`${stream}-${i}`, "*", FIELD, payloadAt(entry));
          failOnError(await pipeline.exec());
        }
        return {};
      },

      loadAggregates: ({ stream, aggregates, entries, concurrency }: AggregatesJob) =>
        measureRate(aggregates, () =>
          inLanes(aggregates, concurrency, async (i) => {
            const check = new ReadCheck();
            const reply = (await redis.xrangeBuffer(`${stream}-${i}`, "-", "+")) as StreamEntry[];
            for (const [, fields] of reply) check.see(fields[1]);
            check.expect(entries);
          }),
        ),

      async runCommands(job: CommandsJob) {
        const script = (await redis.script("LOAD", ADD_AT)) as string;
        return measureCommands(job, async (aggregate) => {
          const key = `${job.stream}-${aggregate}`;
          const check = new ReadCheck();
          const reply = (await redis.xrangeBuffer(key, "-", "+")) as StreamEntry[];
          for (const [, fields] of reply) check.see(fields[1]);
          check.expect(reply.length);
          const added = await redis.evalsha(script, 1, key, reply.length, payloadAt(reply.length));
          return added === 1 ? reply.length + 1 : undefined;
        });
      },

      followLive: (job: FollowersJob) =>
        measureLive(job, {
          append: (payload) => redis.xadd(job.stream, "*", FIELD, payload as Buffer),
          async follow(take, signal) {
            const connection = redis.duplicate();
            signal.addEventListener("abort", () => connection.disconnect());
            try {
              for (let last: string | Buffer = "0"; !signal.aborted; ) {
                const reply = (await connection.xreadBuffer("BLOCK", 0, "STREAMS", job.stream, last)) as XReadReply;
                const entries = reply?.[0][1] ?? [];
                for (const [, fields] of entries) take(fields[1]);
                last = entries.at(-1)?.[0] ?? last;
              }
            } catch (error) {
              if (!signal.aborted) throw error;
            }
          },
        }),

      async forget({ stream }) {
        await redis.del(stream);
        return {};
      },

      async close() {
        redis.disconnect();
      },
    };
  },
};

async function addAll(redis: Redis, streamOf: (index: number) => string, from: number, to: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let index = from; index < to; index++) pipeline.xadd(streamOf(index), "*", FIELD, payloadAt(index));
  failOnError(await pipeline.exec());
}

function failOnError(results: [error: Error | null, result: unknown][] | null): void {
  for (const [error] of results ?? [[new Error("the pipeline was discarded")]]) if (error) throw error;
}
