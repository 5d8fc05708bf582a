import { runRounds, type Subject } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { aimAtLeast, type Comparison, comparisonTable, figuresTable, targetAtLeast } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";
import { whole } from "../report/table.ts";

const OURS = "streamkit load and append, HTTP/2";
const SOCKET = "streamkit load and append, WebSocket";
const REDIS = "redis XRANGE and a script";
const SQLITE = "sqlite SELECT and INSERT, in process";
const ENTRIES = 100;
const CONCURRENCY = 64;

const COMPARISONS: readonly Comparison[] = [OURS, SOCKET].flatMap((ours): Comparison[] => [
  { ours, against: REDIS, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(0.5), aimAtLeast(1)] },
  { ours, against: SQLITE, metric: "perSecond", by: "ratio", bounds: [targetAtLeast(0.5)] },
]);

/** Commands of event sourcing: each loads an aggregate, decides, and saves an event on condition. */
export const loadDecideSave: Workload = {
  id: "W13",
  title: "load, decide, save: commands on aggregates, with conflicts",

  async run(context: RunContext): Promise<Section> {
    const aggregates = Math.max(10, Math.round(context.records / 1_000));
    const commands = Math.max(100, Math.round(context.records / 500));
    const job = { stream: "w13", aggregates, entries: ENTRIES, concurrency: CONCURRENCY };
    const subject = (label: string, peer: Subject["peer"]): Subject => ({
      label,
      peer,
      measure: (round) => ({ operation: "runCommands", job: { ...job, commands, seed: round } }),
    });
    const { rounds, notes } = await runRounds(context, {
      id: "W13",
      fill: () => ({ operation: "fillAggregates", job }),
      subjects: [
        subject(OURS, "streamkit"),
        subject(SOCKET, "streamkit-socket"),
        subject(REDIS, "redis"),
        subject(SQLITE, "sqlite"),
      ],
    });
    return {
      heading: `W13 Load, decide, save: ${whole(commands)} commands, ${CONCURRENCY} at a time, on ${whole(aggregates)} aggregates of ${ENTRIES} events and more`,
      notes: [
        "A command loads all events of an aggregate, and saves one of 256 B on condition that the aggregate has no others. It begins again if it has. Its duration counts all attempts, and the time that it waits for the other commands of its process.",
        `The conflicts are attempts that met another command, for each 1,000 commands. Every round leaves its events, ${commands / aggregates} for each aggregate on average, so that later rounds load more.`,
        "The clients of Streamkit and Redis use one connection each.",
        ...notes,
      ],
      tables: [
        figuresTable(rounds, {
          perSecond: "commands/s",
          p50: "p50 ms",
          p99: "p99 ms",
          conflicts: "conflicts per 1,000",
        }),
        comparisonTable(rounds, COMPARISONS),
      ],
    };
  },
};
