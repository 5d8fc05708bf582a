import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import type { OperationName } from "../peers/peer.ts";
import {
  againstAll,
  aimAtMost,
  type Comparison,
  comparisonTable,
  figuresTable,
  targetAtMost,
} from "../report/comparison.ts";
import type { Section } from "../report/section.ts";

const UNARY = "streamkit append, unary";
const SOCKET = "streamkit append, unary, WebSocket";
const SESSION = "streamkit append, in a session";
const RAW = "raw-level batch of 4 rows, synced";
const RAW_UNARY = "raw-stream unary call, no storage";
const RAW_SESSION = "raw-stream in a session, no storage";
const REDIS = "redis XADD";
const JETSTREAM = "jetstream publish";
const DURABLE_STREAMS = "durable-streams append";

const TARGETS: readonly Comparison[] = [
  { ours: UNARY, against: RAW, metric: "p50", by: "difference", bounds: [targetAtMost(0.5)] },
  { ours: SESSION, against: RAW, metric: "p50", by: "difference", bounds: [aimAtMost(0.2)] },
  { ours: SOCKET, against: UNARY, metric: "p50", by: "ratio", bounds: [targetAtMost(0.55)] },
  { ours: UNARY, against: RAW_UNARY, metric: "p50", by: "difference", bounds: [] },
  { ours: SESSION, against: RAW_SESSION, metric: "p50", by: "difference", bounds: [] },
  { ours: UNARY, against: RAW, metric: "p99", by: "difference", bounds: [] },
  { ours: SESSION, against: RAW, metric: "p99", by: "difference", bounds: [] },
];

/** Append latency: one record per append, one client, each append after the ack of the previous one. */
export const appendLatency: Workload = {
  id: "W3",
  title: "latency of appends",

  async run(context: RunContext): Promise<Section> {
    const records = Math.max(100, Math.round(context.records / 500));
    const subject = (label: string, peer: Subject["peer"], operation: OperationName = "append"): Subject => ({
      label,
      peer,
      measure: (round) => ({ operation, job: { stream: `w3-${operation}-${round}`, records } }),
      ...(peer === "raw-stream"
        ? {}
        : { cleanUp: (round) => ({ operation: "forget", job: { stream: `w3-${operation}-${round}` } }) }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W3",
      subjects: [
        subject(UNARY, "streamkit"),
        subject(SOCKET, "streamkit-socket"),
        subject(SESSION, "streamkit", "appendInSession"),
        subject(RAW, "raw-level"),
        subject(RAW_UNARY, "raw-stream"),
        subject(RAW_SESSION, "raw-stream", "appendInSession"),
        subject(REDIS, "redis"),
        subject(JETSTREAM, "jetstream"),
        subject(DURABLE_STREAMS, "durable-streams"),
      ],
    });
    return {
      heading: `W3 Append latency: ${records.toLocaleString("en-US")} appends of one record of 256 B, one after the other`,
      notes,
      tables: [
        figuresTable(rounds, { p50: "p50 ms", p99: "p99 ms" }),
        comparisonTable(
          rounds,
          againstAll([UNARY, SOCKET, SESSION], [REDIS, JETSTREAM, DURABLE_STREAMS], ["p50", "p99"], TARGETS),
        ),
      ],
    };
  },
};
