import { createHash } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { createStreamkitClient, StreamkitError } from "@streamkit/client";
import { measureCommands } from "../tools/commands.ts";
import { measureLive } from "../tools/live-latency.ts";
import { inLanes, measureLatency, measureLoops, measureRate } from "../tools/measure.ts";
import { payloadAt, payloads } from "../tools/payloads.ts";
import { ReadCheck } from "../tools/read-check.ts";
import { percentile } from "../tools/statistics.ts";
import type {
  AggregatesJob,
  CommandsJob,
  FollowersJob,
  ManyAppendsJob,
  Session,
  StreamJob,
  WritersJob,
} from "./peer.ts";

const SPACE = "bench";
const SEGMENT = "bench";

/**
 * The operations of Streamkit's client over any transport.
 *
 * @param token the client sends it with each call. Default: none
 */
export function streamkitSession(transport: Transport, token?: string): Session {
  const client = createStreamkitClient({ transport, ...(token !== undefined && { token }) });
  const store = (stream: string) => client.store(storeIdOf(stream));
  const space = (stream: string) => store(stream).space(SPACE);
  const segment = (stream: string) => space(stream).segment(SEGMENT);

  return {
    produce: ({ stream, records }: StreamJob) =>
      measureRate(records, async () => {
        const summary = await segment(stream).produce(payloads(records));
        if (summary.lastSequence !== records) {
          throw new Error(`last sequence is ${summary.lastSequence}, expected ${records}`);
        }
      }),

    consume: ({ stream, records }: StreamJob) =>
      measureRate(records, async () => {
        const check = new ReadCheck();
        for await (const { payload } of segment(stream).consume()) check.see(payload);
        check.expect(records);
      }),

    consumeBatches: ({ stream, records }: StreamJob) =>
      measureRate(records, async () => {
        const check = new ReadCheck();
        for await (const batch of segment(stream).consume().batches()) {
          for (const { payload } of batch) check.see(payload);
        }
        check.expect(records);
      }),

    consumeSpace: ({ stream, records }: StreamJob) =>
      measureRate(records, async () => {
        const check = new ReadCheck();
        for await (const { payload } of space(stream).consume()) check.see(payload);
        check.expect(records);
      }),

    consumeSpaceBatches: ({ stream, records }: StreamJob) =>
      measureRate(records, async () => {
        const check = new ReadCheck();
        for await (const batch of space(stream).consume().batches()) {
          for (const { payload } of batch) check.see(payload);
        }
        check.expect(records);
      }),

    append: ({ stream, records }: StreamJob) => {
      const target = segment(stream);
      return measureLatency(records, (index) => target.append([payloadAt(index)]));
    },

    async appendInSession({ stream, records }: StreamJob) {
      await using session = space(stream).session();
      return await measureLatency(records, (index) =>
        session.append([{ segment: SEGMENT, records: [payloadAt(index)] }]),
      );
    },

    async fillAggregates({ stream, aggregates, entries }: AggregatesJob) {
      await using session = space(stream).session();
      const appends: Promise<unknown>[] = [];
      for (let entry = 0; entry < entries; entry++) {
        for (let i = 0; i < aggregates; i++) {
          await session.ready();
          appends.push(session.append([{ segment: `${stream}-${i}`, records: [payloadAt(entry)] }]));
        }
      }
      await Promise.all(appends);
      return {};
    },

    loadAggregates: ({ stream, aggregates, entries, concurrency }: AggregatesJob) =>
      measureRate(aggregates, () =>
        inLanes(aggregates, concurrency, async (i) => {
          const check = new ReadCheck();
          const { entries: loaded } = await space(stream).segment(`${stream}-${i}`).load();
          for (const { payload } of loaded) check.see(payload);
          check.expect(entries);
        }),
      ),

    runCommands: (job: CommandsJob) =>
      measureCommands(job, async (aggregate) => {
        const target = space(job.stream).segment(`${job.stream}-${aggregate}`);
        const check = new ReadCheck();
        const { entries, lastSequence } = await target.load();
        for (const { payload } of entries) check.see(payload);
        check.expect(lastSequence);
        try {
          const saved = await target.append([payloadAt(lastSequence)], { expectedLastSequence: lastSequence });
          return saved.lastSequence;
        } catch (error) {
          if (error instanceof StreamkitError && error.reason === "SEQUENCE_MISMATCH") return undefined;
          throw error;
        }
      }),

    async appendMany({ stream, streams, appends, concurrency }: ManyAppendsJob) {
      const target = space(stream);
      const append = (index: number) =>
        target.segment(`${stream}-${index % streams}`).append([payloadAt(index)]) as Promise<unknown>;
      await append(0);
      return measureRate(appends, () => inLanes(appends, concurrency, async (index) => void (await append(index))));
    },

    async write({ stream, space: name, prefix, writers, period }: WritersJob) {
      const target = store(stream).space(name);
      const { count, durations } = await measureLoops(writers, period, (writer, turn) =>
        target.segment(`${prefix}-${writer}`).append([payloadAt(turn)]),
      );
      return { count, p50: percentile(durations, 0.5), p99: percentile(durations, 0.99) };
    },

    followLive: (job: FollowersJob) => {
      const target = segment(job.stream);
      return measureLive(job, {
        append: (payload) => target.append([payload]),
        async follow(take, signal) {
          try {
            for await (const { payload } of target.follow({ signal })) take(payload);
          } catch (error) {
            if (!signal.aborted) throw error;
          }
        },
      });
    },

    async forget({ stream }) {
      await store(stream).delete();
      return {};
    },

    async close() {},
  };
}

/** Each stream has a store of its own, because a store can be deleted completely. */
function storeIdOf(stream: string): string {
  const hex = createHash("sha256").update(stream).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
