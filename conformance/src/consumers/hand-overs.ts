import type { SoakEvent, SoakHistory } from "./history.ts";

/** A time during which no process could do the work. It begins with the loss of the active consumer. */
export interface HandOver {
  readonly cause: "killed" | "frozen" | "gave up";
  readonly from: number;
  /** Time at which a process, perhaps the same one, had the lease. */
  readonly to: number;
  readonly by: string;
  /** Time at which its first output was acknowledged. Absent if it was lost before that. */
  readonly outputAt?: number;
  /** Number of troubles of instances during the hand-over or within a ttl before it. */
  readonly troubles: number;
  /** Most milliseconds from the loss to the lease, and from the loss to the first output. */
  readonly bound: number;
  readonly outputBound: number;
}

/**
 * Calls of a new consumer before its first output: read the cursor, take it over, follow the spaces, show the token.
 */
const CALLS_TO_OUTPUT = 4;

type Handed = Pick<HandOver, "cause" | "from" | "to" | "by" | "outputAt">;

/** Returns the hand-overs of a history. */
export function handOversOf(history: SoakHistory): HandOver[] {
  const handed: Handed[] = [];
  let active: string | undefined;
  let vacancy: Pick<HandOver, "cause" | "from"> | undefined;
  for (const event of [...history.events].sort((a, b) => a.at - b.at)) {
    if (!("process" in event)) continue;
    const { process, at } = event;
    const isActive = process === active;
    if (event.kind === "state" && event.state === "running") {
      // Without a vacancy, the previous consumer has not yet reported that it has stopped.
      if (active !== undefined) handed.push({ ...(vacancy ?? { cause: "gave up", from: at }), to: at, by: process });
      active = process;
      vacancy = undefined;
    } else if (event.kind === "output") {
      const last = handed[handed.length - 1];
      if (isActive && last?.by === process && last.outputAt === undefined) {
        handed[handed.length - 1] = { ...last, outputAt: at };
      }
    } else if (!isActive) {
      // The event does not affect the work.
    } else if (event.kind === "killed" || event.kind === "died") {
      // A process that was killed while frozen has been absent since the freeze.
      vacancy ??= { cause: "killed", from: at };
    } else if (event.kind === "frozen") {
      if (vacancy?.cause !== "gave up") vacancy = { cause: "frozen", from: at };
    } else if (event.kind === "committed") {
      // It woke up in time.
      if (vacancy?.cause === "frozen") vacancy = undefined;
    } else if (event.kind === "thawed") {
      // It woke up in time to renew, although the answer may be lost: the lease then lasts from now on.
      if (vacancy?.cause === "frozen" && at - vacancy.from < history.ttl) vacancy = { cause: "frozen", from: at };
    } else if (event.kind === "state") {
      vacancy ??= { cause: "gave up", from: at };
    }
  }
  const outages = outagesOf(history.events);
  return handed.map((each) => judged(each, outages, history));
}

/** A period in which an instance did not answer. */
interface Outage {
  readonly from: number;
  readonly to: number;
}

function outagesOf(events: readonly SoakEvent[]): Outage[] {
  const outages: Outage[] = [];
  const begun = new Map<number, number>();
  for (const event of events) {
    if (!("instance" in event)) continue;
    if (event.kind === "down") begun.set(event.instance, event.at);
    else outages.push({ from: begun.get(event.instance)!, to: event.at });
  }
  return outages;
}

/**
 * Computes the bound of docs/coordination.md. An outage of an instance delays a process that waits for this instance by
 * the part of the outage within the hand-over. It delays a process that turns to another instance by a further
 * hand-over, because that instance may only then begin to observe the lease.
 */
function judged(handed: Handed, outages: readonly Outage[], { ttl, callMillis }: SoakHistory): HandOver {
  const takes = ttl + ttl / 8 + callMillis;
  const { from, to, outputAt = to } = handed;
  const met = (until: number): Outage[] => outages.filter((outage) => outage.to > from - ttl && outage.from < until);
  const added = (until: number): number =>
    met(until).reduce((sum, outage) => {
      return sum + takes + Math.max(0, Math.min(outage.to, until) - Math.max(outage.from, from));
    }, 0);
  return {
    ...handed,
    troubles: met(outputAt).length,
    bound: takes + added(to),
    outputBound: takes + CALLS_TO_OUTPUT * callMillis + added(outputAt),
  };
}
