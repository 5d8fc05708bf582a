import type { SoakEvent, SoakHistory } from "./history.ts";

/** A time without anybody who could do the work, from the moment on at which the active consumer was lost. */
export interface HandOver {
  readonly cause: "killed" | "frozen" | "gave up";
  readonly from: number;
  /** When another one, or the same one again, had the lease. */
  readonly to: number;
  readonly by: string;
  /** When its first output was acknowledged; absent where it was lost before. */
  readonly outputAt?: number;
  /** How often instances were in trouble meanwhile, or within a ttl before. */
  readonly troubles: number;
  /** Most milliseconds from the loss to the lease, and to the output. */
  readonly bound: number;
  readonly outputBound: number;
}

/** To begin: the cursor is read, and taken over; the spaces are followed; the token is shown. */
const CALLS_TO_OUTPUT = 4;

type Handed = Pick<HandOver, "cause" | "from" | "to" | "by" | "outputAt">;

/** What happened to the work: who had it, and how long nobody. */
export function handOversOf(history: SoakHistory): HandOver[] {
  const handed: Handed[] = [];
  let active: string | undefined;
  let vacancy: Pick<HandOver, "cause" | "from"> | undefined;
  for (const event of [...history.events].sort((a, b) => a.at - b.at)) {
    if (!("process" in event)) continue;
    const { process, at } = event;
    const isActive = process === active;
    if (event.kind === "state" && event.state === "running") {
      // Without a vacancy: whoever had it before has not said yet that it is gone.
      if (active !== undefined) handed.push({ ...(vacancy ?? { cause: "gave up", from: at }), to: at, by: process });
      active = process;
      vacancy = undefined;
    } else if (event.kind === "output") {
      const last = handed[handed.length - 1];
      if (isActive && last?.by === process && last.outputAt === undefined) {
        handed[handed.length - 1] = { ...last, outputAt: at };
      }
    } else if (!isActive) {
      // Whatever it is, the work is not concerned.
    } else if (event.kind === "killed" || event.kind === "died") {
      // Killed while it was frozen: it is gone since it was frozen.
      vacancy ??= { cause: "killed", from: at };
    } else if (event.kind === "frozen") {
      if (vacancy?.cause !== "gave up") vacancy = { cause: "frozen", from: at };
    } else if (event.kind === "committed") {
      // It woke up in time.
      if (vacancy?.cause === "frozen") vacancy = undefined;
    } else if (event.kind === "thawed") {
      // In time to renew, and perhaps not to be told so: then the lease lasts from now on.
      if (vacancy?.cause === "frozen" && at - vacancy.from < history.ttl) vacancy = { cause: "frozen", from: at };
    } else if (event.kind === "state") {
      vacancy ??= { cause: "gave up", from: at };
    }
  }
  const outages = outagesOf(history.events);
  return handed.map((each) => judged(each, outages, history));
}

/** From when on, and until when, an instance did not answer. */
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
 * The bound of docs/coordination.md. An outage of an instance adds as long as it lasts within the hand-over, for
 * whoever waits for that instance; and what a hand-over takes, for whoever goes to another one, which may begin to
 * count then.
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
