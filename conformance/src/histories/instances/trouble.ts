import { BUS_WEATHER, type BusWeatherName } from "../../lab/bus/bus-weather.ts";
import { Random } from "../../lab/random.ts";

/** Something that happens to one instance, once so many writes of the plan are over. */
export type Trouble = { readonly after: number; readonly instance: number } & (
  | { readonly kind: "kill" }
  /** The process stands still for a while, wherever it is. */
  | { readonly kind: "freeze"; readonly millis: number }
  /** It stands still with a commit on its way, which arrives when the others have moved on, or whose answer does. */
  | { readonly kind: "stall"; readonly millis: number; readonly holds: "commit" | "answer" }
  /** Its wall clock is set to that of the machine and so many milliseconds. */
  | { readonly kind: "clock"; readonly offsetMillis: number }
  /** Its way to Azure fails, delays, and loses, for a while, a part of the requests. */
  | { readonly kind: "storm"; readonly millis: number; readonly part: number }
  /** Its bus changes. */
  | { readonly kind: "bus"; readonly weather: BusWeatherName }
);

type Kind = Trouble["kind"];

const KINDS: readonly Kind[] = ["kill", "freeze", "stall", "clock", "storm", "bus"];

/**
 * How far clocks are off at most, either way. Twice this must be less than the dedupe window: an instance whose clock
 * is further ahead takes what another just committed for forgotten.
 */
const MAX_CLOCK_MILLIS = 4 * 60_000;
const MIN_PAUSE_MILLIS = 200;
const MAX_PAUSE_MILLIS = 1_500;

/** What trouble has to know of a workload. */
interface Troubled {
  readonly seed: number;
  readonly instances: number;
  /** How many steps it has, as it tells its nemesis. */
  readonly writes: number;
}

/** Plans trouble for a workload: the same for the same seed. Every kind in its turn, in an order of its own. */
export function planTrouble(plan: Troubled, count: number): Trouble[] {
  // A generator of its own: more trouble is no other workload.
  const random = new Random(~plan.seed);
  const kinds = Array.from({ length: Math.ceil(count / KINDS.length) }, () => shuffled(random, KINDS)).flat();
  const places = Array.from({ length: count }, () => 1 + random.below(plan.writes)).sort((a, b) => a - b);
  // Clocks are apart from the beginning.
  const clocks = Array.from({ length: plan.instances }, (_, instance) => troubleOf("clock", random, 0, instance));
  return [...clocks, ...places.map((after, at) => troubleOf(kinds[at]!, random, after, random.below(plan.instances)))];
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
      return { ...where, kind, weather: names[random.below(names.length)]! };
    }
  }
}

function shuffled<T>(random: Random, from: readonly T[]): T[] {
  const rest = [...from];
  return from.map(() => rest.splice(random.below(rest.length), 1)[0]!);
}
