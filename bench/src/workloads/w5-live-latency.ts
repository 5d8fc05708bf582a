import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { aimAtMost, type Comparison, comparisonTable, figuresTable } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";
import { figure, type Table, whole } from "../report/table.ts";
import { summarize } from "../tools/statistics.ts";

/** The peers, and the beginnings of their labels. */
const HTTP2 = "streamkit follow, HTTP/2";
const SOCKET = "streamkit follow, WebSocket";
const REDIS = "redis XREAD BLOCK";

/** Followers, and the appends per second that two cores carry with them: at most 5,000 deliveries per second. */
const CROWDS = [
  { followers: 1, perSecond: 200 },
  { followers: 100, perSecond: 50 },
  { followers: 1_000, perSecond: 5 },
];

/** Bounds for milliseconds from the ack to the delivery, by followers. */
const BOUNDS = [
  { followers: 1, metric: "p50", name: "first target", most: 2 },
  { followers: 1, metric: "p99", name: "first target", most: 10 },
  { followers: 100, metric: "p99", name: "aim", most: 5 },
];

/** Live latency: the time from the ack of an append to its arrival at followers. */
export const liveLatency: Workload = {
  id: "W5",
  title: "latency from the ack to the followers",

  async run(context: RunContext): Promise<Section> {
    // The smallest runs have fewer followers too.
    const share = Math.min(1, context.records / 100_000);
    const crowds = CROWDS.map(({ followers, perSecond }) => ({
      followers: Math.max(1, Math.round(followers * share)),
      perSecond,
    })).filter(({ followers }, i, all) => all.findIndex((other) => other.followers === followers) === i);
    const period = { warmUpMillis: 500, millis: Math.max(1_000, Math.round(context.records / 250)) };
    const label = (way: string, followers: number) => `${way}, ${whole(followers)}`;
    const subjects = crowds.flatMap(({ followers, perSecond }, crowd) => {
      const subject = (way: string, peer: Subject["peer"]): Subject => ({
        label: label(way, followers),
        peer,
        measure: (round) => ({
          operation: "followLive",
          job: { stream: `w5-${crowd}-${round}`, followers, perSecond, period },
        }),
        cleanUp: (round) => ({ operation: "forget", job: { stream: `w5-${crowd}-${round}` } }),
      });
      return [subject(HTTP2, "streamkit"), subject(SOCKET, "streamkit-socket"), subject(REDIS, "redis")];
    });
    const comparisons = crowds.flatMap(({ followers }): Comparison[] => [
      ...[HTTP2, SOCKET].map(
        (way): Comparison => ({
          ours: label(way, followers),
          against: label(REDIS, followers),
          metric: "sent50",
          by: "ratio",
          bounds: [],
        }),
      ),
      {
        ours: label(SOCKET, followers),
        against: label(HTTP2, followers),
        metric: "sent50",
        by: "ratio",
        bounds: [aimAtMost(1)],
      },
    ]);
    const { rounds, notes } = await runRounds(context, { id: "W5", subjects });
    const verdicts: Table = {
      caption: "Targets, from the ack",
      columns: ["subject", "metric", "ms", "bound"],
      rows: BOUNDS.flatMap(({ followers, metric, name, most }) =>
        [HTTP2, SOCKET].flatMap((way) => {
          const samples = rounds.get(label(way, followers));
          if (samples === undefined) return [];
          const { median } = summarize(samples.map((sample) => sample[metric]));
          const verdict = `${name} <= ${figure(most)} ms: ${median <= most ? "met" : "MISSED"}`;
          return [[label(way, followers), metric, figure(median), verdict]];
        }),
      ),
    };
    return {
      heading: `W5 Live latency: ${crowds.map(({ followers }) => whole(followers)).join(", ")} followers of one segment`,
      notes: [
        `Appends of one record of 256 B, at a fixed rate: ${crowds.map(({ followers, perSecond }) => `${whole(perSecond)} per second for ${whole(followers)}`).join(", ")}. The writer and all followers are one process, so that there is one clock; its own work counts.`,
        "An entry may reach a follower before its ack reaches the writer. Then the time from the ack counts as 0. In one process the ack can wait behind deliveries to many followers, so there a 0 says little. The time from the call of append, fsync included, has no such limit.",
        "Streamkit's followers share the connections that the client opens by itself. A follower of Redis has a connection of its own, since BLOCK blocks it.",
        ...notes,
      ],
      tables: [
        figuresTable(rounds, {
          p50: "ack to delivery, p50 ms",
          p99: "p99 ms",
          sent50: "append to delivery, p50 ms",
          sent99: "p99 ms",
        }),
        verdicts,
        comparisonTable(rounds, comparisons),
      ],
    };
  },
};
