import { BUS_WEATHER, type BusWeatherName } from "../../lab/bus/bus-weather.ts";
import { Random } from "../../lab/random.ts";

/** A trouble of one instance, after a number of writes of the plan. */
export type Trouble = { readonly after: number; readonly instance: number } & (
  | { readonly kind: "kill" }
  /** The process stops for some time, wherever it is. */
  | { readonly kind: "freeze"; readonly millis: number }
  /**
   * The process stops while a commit is in flight. The commit, or its answer, arrives after other instances have
   * continued.
   */
  | { readonly kind: "stall"; readonly millis: number; readonly holds: "commit" | "answer" }
  /** The wall clock of the process is set this far from that of the machine. */
  | { readonly kind: "clock"; readonly offsetMillis: number }
  /** For some time, the proxy of the instance makes a fraction of its requests to Azure fail, late or lost. */
  | { readonly kind: "storm"; readonly millis: number; readonly part: number }
  /** The weather of the bus changes. */
  | { readonly kind: "bus"; readonly weather: BusWeatherName }
);

type Kind = Trouble["kind"];

const KINDS: readonly Kind[] = ["kill", "freeze", "stall", "clock", "storm", "bus"];

/**
 * Most milliseconds by which clocks differ, in either direction. Twice this must be less than the dedupe window: an
 * instance whose clock is further ahead would take a transaction that another one has just committed for an old one.
 */
const MAX_CLOCK_MILLIS = 4 * 60_000;
const MIN_PAUSE_MILLIS = 200;
const MAX_PAUSE_MILLIS = 1_500;

/** The facts about a workload that the planning of trouble needs. */
interface Troubled {
  readonly seed: number;
  readonly instances: number;
  /** Number of steps, as the workload reports them to its nemesis. */
  readonly writes: number;
}

/** Plans trouble for a workload, the same for the same seed. All kinds occur equally often, in random order. */
export function planTrouble(plan: Troubled, count: number): Trouble[] {
  // A separate generator, so that the trouble does not change the workload.
  const random = new Random(~plan.seed);
  const kinds = Array.from({ length: Math.ceil(count / KINDS.length) }, () => shuffled(random, KINDS)).flat();
  const places = Array.from({ length: count }, () => 1 + random.below(plan.writes)).sort((a, b) => a - b);
  // Clocks differ from the beginning.
  const clocks = Array.from({ length: plan.instances }, (_, instance) => troubleOf("clock", random, 0, instance));
  return [...clocks, ...places.map((after, at) => troubleOf(kinds[at], random, after, random.below(plan.instances)))];
}

function troubleOf(kind: Kind, random: Random, after: number, instance: number): Trouble {
  const where = { after, instance };
  const millis = MIN_PAUSE_MILLIS + random.below(MAX_PAUSE_MILLIS - MIN_PAUSE_MILLIS);
  switch (kind) {
    case "kill":
      return { ...where, kind };
    case "freeze":
      return { ...where, kind, millis };
    case "stall":
      return { ...where, kind, millis, holds: random.chance(0.7) ? "commit" : "answer" };
    case "clock":
      return { ...where, kind, offsetMillis: random.below(2 * MAX_CLOCK_MILLIS) - MAX_CLOCK_MILLIS };
    case "storm":
      return { ...where, kind, millis, part: 0.05 + random.next() * 0.4 };
    case "bus": {
      const names = Object.keys(BUS_WEATHER) as BusWeatherName[];
      return { ...where, kind, weather: names[random.below(names.length)] };
    }
  }
}

function shuffled<T>(random: Random, from: readonly T[]): T[] {
  const rest = [...from];
  return from.map(() => rest.splice(random.below(rest.length), 1)[0]);
}
