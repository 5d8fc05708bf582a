import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { aimAtLeast, type Comparison, comparisonTable, figuresTable, targetAtLeast } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";

const OURS = "streamkit produce";
const REDIS = "redis XADD, pipelines of 1,000";
const JETSTREAM = "jetstream publish, 1,000 in flight";
const DURABLE_STREAMS = "durable-streams IdempotentProducer";
const RAW = "raw-level blocks of 1,000, synced";

const COMPARISONS: readonly Comparison[] = [
  { ours: OURS, against: REDIS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(5)] },
  { ours: OURS, against: JETSTREAM, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(10)] },
  { ours: OURS, against: DURABLE_STREAMS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(1.2)] },
  { ours: OURS, against: RAW, metric: "perSecond", by: "ratio", bounds: [aimAtLeast(0.6)] },
];

/** Bulk produce: records of 256 B into one segment through one Produce session. */
export const bulkProduce: Workload = {
  id: "W1",
  title: "bulk produce, one segment",

  async run(context: RunContext): Promise<Section> {
    const { records } = context;
    const subject = (label: string, peer: Subject["peer"]): Subject => ({
      label,
      peer,
      measure: (round) => ({ operation: "produce", job: { stream: `w1-${round}`, records } }),
      cleanUp: (round) => ({ operation: "forget", job: { stream: `w1-${round}` } }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W1",
      subjects: [
        subject(OURS, "streamkit"),
        subject(REDIS, "redis"),
        subject(JETSTREAM, "jetstream"),
        subject(DURABLE_STREAMS, "durable-streams"),
        subject(RAW, "raw-level"),
      ],
    });
    return {
      heading: `W1 Bulk produce: ${records.toLocaleString("en-US")} records x 256 B, one segment, one session`,
      notes,
      tables: [figuresTable(rounds, { perSecond: "records/s" }), comparisonTable(rounds, COMPARISONS)],
    };
  },
};
