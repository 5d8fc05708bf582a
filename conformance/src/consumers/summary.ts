import { type HandOver, handOversOf } from "./hand-overs.ts";
import type { SoakResult } from "./run.ts";

/** Summarises a run in some lines for people. */
export function summaryOf({ seed, history, violations }: SoakResult): string[] {
  const { acked, inputs, outputs, ttl, callMillis } = history;
  const handled = outputs.filter(({ input }) => input !== undefined).length;
  const handOvers = handOversOf(history);
  const calm = handOvers.filter(({ troubles }) => troubles === 0);
  const counts = (["killed", "frozen", "gave up"] as const).map((cause) => {
    return `${handOvers.filter((each) => each.cause === cause).length} ${cause}`;
  });
  return [
    `${violations.length === 0 ? "good" : "BAD "} seed ${seed}: ${acked.length} entries acknowledged, ${inputs.length} stored, ` +
      `${handled} handled (${handled - inputs.length} again), ${troublesOf(history.events)}`,
    `     ${handOvers.length} hand-overs: ${counts.join(", ")}; ttl ${ttl} ms, a call ${callMillis} ms`,
    ...timesOf("no instance in trouble", calm),
    ...timesOf(
      "an instance in trouble",
      handOvers.filter(({ troubles }) => troubles > 0),
    ),
  ];
}

function troublesOf(events: SoakResult["history"]["events"]): string {
  const consumers = (kind: string) => events.filter((event) => "process" in event && event.kind === kind).length;
  const instances = (how: string) => {
    return events.filter((event) => "instance" in event && event.kind === "down" && event.how === how).length;
  };
  return (
    `consumers killed ${consumers("killed")} times and frozen ${consumers("frozen")} times, ` +
    `instances ${instances("kill")} and ${instances("freeze")}`
  );
}

/** Durations from the loss to the lease, and to the first output. */
function timesOf(what: string, handOvers: readonly HandOver[]): string[] {
  if (handOvers.length === 0) return [];
  const leases = handOvers.map(({ from, to }) => to - from);
  const outputs = handOvers.flatMap(({ from, outputAt }) => (outputAt === undefined ? [] : [outputAt - from]));
  const bounds = handOvers.map(({ bound }) => bound);
  const [least, most] = [Math.min(...bounds), Math.max(...bounds)].map((millis) => millis.toFixed(0));
  return [
    `     ${what}: ${handOvers.length}; to the lease ${distribution(leases)} ms, bound ${least === most ? most : `${least} to ${most}`} ms; ` +
      `to the first output ${distribution(outputs)} ms`,
  ];
}

/** Least, median and most. */
function distribution(millis: readonly number[]): string {
  const sorted = [...millis].sort((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.round(part * (sorted.length - 1))] ?? Number.NaN).toFixed(0);
  return `${at(0)} / ${at(0.5)} / ${at(1)}`;
}
