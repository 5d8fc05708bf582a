import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import type { OperationName } from "../peers/peer.ts";
import { aimAtLeast, type Comparison, comparisonTable, figuresTable, targetAtLeast } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";

const OURS = {
  consume: "streamkit segment, entries",
  consumeBatches: "streamkit segment, batches",
  consumeSpace: "streamkit space, entries",
  consumeSpaceBatches: "streamkit space, batches",
} as const;
const REDIS = "redis XREAD COUNT 1000";
const JETSTREAM = "jetstream ordered consumer";
const DURABLE_STREAMS = "durable-streams read";
const RAW_DECODED = "raw-stream decoded";
const RAW_FRAMES = "raw-stream frames";

const COMPARISONS: readonly Comparison[] = Object.values(OURS).flatMap((ours): Comparison[] => [
  { ours, against: REDIS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(1.5)] },
  { ours, against: JETSTREAM, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(3)] },
  { ours, against: DURABLE_STREAMS, metric: "perSecond", by: "ratio", bounds: [] },
  { ours, against: RAW_DECODED, metric: "perSecond", by: "ratio", bounds: [aimAtLeast(0.7)] },
  { ours, against: RAW_FRAMES, metric: "perSecond", by: "ratio", bounds: [] },
]);

/** Bulk consume: the whole of one stream, by segment and by space, reading each entry's payload. */
export const bulkConsume: Workload = {
  id: "W2",
  title: "bulk consume",

  async run(context: RunContext): Promise<Section> {
    const { records } = context;
    const job = { stream: "w2", records };
    const subject = (label: string, peer: Subject["peer"], operation: OperationName = "consume"): Subject => ({
      label,
      peer,
      measure: () => ({ operation, job }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W2",
      fill: (peer) => (peer === "raw-stream" ? undefined : { operation: "produce", job }),
      subjects: [
        ...(Object.keys(OURS) as (keyof typeof OURS)[]).map((name) => subject(OURS[name], "streamkit", name)),
        subject(REDIS, "redis"),
        subject(JETSTREAM, "jetstream"),
        subject(DURABLE_STREAMS, "durable-streams"),
        subject(RAW_DECODED, "raw-stream"),
        subject(RAW_FRAMES, "raw-stream", "consumeBatches"),
      ],
    });
    return {
      heading: `W2 Bulk consume: ${records.toLocaleString("en-US")} entries x 256 B`,
      notes: [
        "'entries' iterates entry by entry; 'batches' iterates batches and looks at each payload inside.",
        ...notes,
      ],
      tables: [figuresTable(rounds, { perSecond: "entries/s" }), comparisonTable(rounds, COMPARISONS)],
    };
  },
};
