import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { aimAtLeast, type Comparison, comparisonTable, figuresTable } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";

const HTTP2 = "streamkit append, HTTP/2";
const SOCKET = "streamkit append, WebSocket";
const REDIS = "redis XADD, 64 connections";
const CALLERS = 64;

const COMPARISONS: readonly Comparison[] = [
  { ours: SOCKET, against: HTTP2, metric: "perSecond", by: "ratio", bounds: [] },
  { ours: SOCKET, against: HTTP2, metric: "clientCpu", by: "ratio", bounds: [] },
  { ours: HTTP2, against: REDIS, metric: "perSecond", by: "ratio", bounds: [] },
  { ours: SOCKET, against: REDIS, metric: "perSecond", by: "ratio", bounds: [aimAtLeast(0.3)] },
];

/** Many callers: single appends to many segments, each caller after the ack of its previous one. */
export const manyWriters: Workload = {
  id: "W4",
  title: "appends of many callers",

  async run(context: RunContext): Promise<Section> {
    const streams = Math.max(10, Math.round(context.records / 100));
    const appends = Math.max(200, Math.round(context.records / 50));
    const subject = (label: string, peer: Subject["peer"]): Subject => ({
      label,
      peer,
      measure: () => ({ operation: "appendMany", job: { stream: "w4", streams, appends, concurrency: CALLERS } }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W4",
      subjects: [subject(HTTP2, "streamkit"), subject(SOCKET, "streamkit-socket"), subject(REDIS, "redis")],
    });
    return {
      heading: `W4 Many callers: ${appends.toLocaleString("en-US")} appends of one record of 256 B, ${CALLERS} at a time, to ${streams.toLocaleString("en-US")} segments`,
      notes,
      tables: [
        figuresTable(rounds, { perSecond: "appends/s", clientCpu: "client CPU, ms per append" }),
        comparisonTable(rounds, COMPARISONS),
      ],
    };
  },
};
