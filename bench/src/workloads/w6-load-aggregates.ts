import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { type Comparison, comparisonTable, figuresTable, targetAtLeast } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";

const OURS = "streamkit load, HTTP/2";
const SOCKET = "streamkit load, WebSocket";
const REDIS = "redis XRANGE";
const ENTRIES = 100;
const CONCURRENCY = 16;

const COMPARISONS: readonly Comparison[] = [
  { ours: OURS, against: REDIS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(2)] },
  { ours: SOCKET, against: REDIS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(2)] },
  { ours: SOCKET, against: OURS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(2)] },
  { ours: SOCKET, against: OURS, metric: "clientCpu", by: "ratio", bounds: [] },
];

/** Loading aggregates: many short streams of one-record transactions, each read from start to end. */
export const loadAggregates: Workload = {
  id: "W6",
  title: "loading aggregates",

  async run(context: RunContext): Promise<Section> {
    const aggregates = Math.max(10, Math.round(context.records / 1_000));
    const job = { stream: "w6", aggregates, entries: ENTRIES, concurrency: CONCURRENCY };
    const subject = (label: string, peer: Subject["peer"]): Subject => ({
      label,
      peer,
      measure: () => ({ operation: "loadAggregates", job }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W6",
      fill: () => ({ operation: "fillAggregates", job }),
      subjects: [subject(OURS, "streamkit"), subject(SOCKET, "streamkit-socket"), subject(REDIS, "redis")],
    });
    return {
      heading: `W6 Load ${aggregates.toLocaleString("en-US")} aggregates of ${ENTRIES} one-record transactions each`,
      notes: [`Both clients load ${CONCURRENCY} aggregates at a time over one connection.`, ...notes],
      tables: [
        figuresTable(rounds, { perSecond: "aggregates/s", clientCpu: "client CPU, ms per aggregate" }),
        comparisonTable(rounds, COMPARISONS),
      ],
    };
  },
};
