import { Random } from "../../lab/random.ts";

/** The plan of a workload, the same for the same seed. Its effects depend on timing. */
export interface Plan {
  readonly seed: number;
  readonly store: string;
  readonly spaces: readonly string[];
  /** Number of servers that share the store. Planned operations name the server to call first, counted from 0. */
  readonly instances: number;
  readonly writers: readonly (readonly PlannedWrite[])[];
  readonly readers: readonly (readonly PlannedRead[])[];
  readonly followers: readonly PlannedRead[];
  /** Ids of the final transactions, one per space. */
  readonly lastIds: readonly string[];
}

export type PlannedWrite = PlannedAppend | PlannedSession | PlannedTrim;

interface Planned {
  readonly space: string;
  readonly instance: number;
}

export interface PlannedAppend extends Planned {
  readonly kind: "append";
  readonly transactionId: string;
  readonly parts: readonly PlannedPart[];
  /** Repeats the same transaction in a separate call. */
  readonly repeat?: PlannedRepeat;
  /** Where to look for the entries after the acknowledgement (G5). */
  readonly look?: { readonly instance: number; readonly at: "segment" | "space" | "peek" | "status" };
}

interface PlannedPart {
  readonly segment: string;
  /** Empty if the segment is only a condition. */
  readonly payloads: readonly string[];
  /** True to expect the last sequence that the writer believes the segment to have. */
  readonly conditional: boolean;
}

interface PlannedRepeat {
  readonly instance: number;
  /** During the first call, after its answer, or after some more writes of the same writer. */
  readonly when: "at once" | "next" | "later";
}

/** Several appends in one Produce session. */
export interface PlannedSession extends Planned {
  readonly kind: "session";
  readonly appends: readonly PlannedAppend[];
}

export interface PlannedTrim extends Planned {
  readonly kind: "trim";
  readonly segment: string;
  /** Fraction of the known entries to trim, from 0 to 1. */
  readonly part: number;
}

export interface PlannedRead extends Planned {
  readonly segment: string | undefined;
  /** Fraction of the known entries to skip at the start, from 0 to 1. */
  readonly start: number;
}

export interface PlanOptions {
  /** Default: 1. */
  readonly instances?: number;
  /** Default: 1. */
  readonly spaces?: number;
  /** Number of transactions without repetitions. Default: 160. */
  readonly transactions?: number;
  /** Default: 4. */
  readonly writers?: number;
  /** Fraction of the writes that are Produce sessions; 0 if the transport cannot carry them. Default: 0.05. */
  readonly sessions?: number;
  /** Fraction of the writes that are trims. Default: 0.05. */
  readonly trims?: number;
}

export const SEGMENTS: readonly string[] = ["a", "b", "c", "d"];

/** Most appends of one Produce session. */
const SESSION_APPENDS = 6;
const WRITERS = 4;
const TRANSACTIONS = 160;
const READS = 200;

/** Creates the plan of a workload. */
export function makePlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new Random(seed);
  const { instances = 1, spaces = 1, writers = WRITERS, transactions = TRANSACTIONS } = options;
  const names = Array.from({ length: spaces }, (_, index) => `history-${index}`);
  const planner = new Planner(random, instances, names, options);
  const share = (writer: number): number =>
    Math.floor(((writer + 1) * transactions) / writers) - Math.floor((writer * transactions) / writers);
  return {
    seed,
    store: random.uuid(),
    spaces: names,
    instances,
    writers: Array.from({ length: writers }, (_, writer) => planner.writes(writer, share(writer))),
    readers: Array.from({ length: 2 }, () => Array.from({ length: READS }, () => planner.read())),
    followers: planner.followers(),
    lastIds: names.map(() => random.uuid()),
  };
}

/** Returns the number of writes of a plan as a nemesis counts them. */
export function writesOf(plan: Plan): number {
  return plan.writers.reduce((sum, writes) => sum + writes.length, 0);
}

class Planner {
  readonly #random: Random;
  readonly #instances: number;
  readonly #spaces: readonly string[];
  readonly #sessions: number;
  readonly #trims: number;

  constructor(random: Random, instances: number, spaces: readonly string[], options: PlanOptions) {
    this.#random = random;
    this.#instances = instances;
    this.#spaces = spaces;
    this.#sessions = options.sessions ?? 0.05;
    this.#trims = options.trims ?? 0.05;
  }

  /** The writes of one writer, with this number of transactions. */
  writes(writer: number, transactions: number): PlannedWrite[] {
    const writes: PlannedWrite[] = [];
    for (let index = 0; index < transactions; ) {
      const place = this.#place();
      if (this.#random.chance(this.#trims)) {
        writes.push({ kind: "trim", ...place, segment: this.#pick(SEGMENTS), part: this.#random.next() });
      } else if (this.#random.chance(this.#sessions)) {
        const count = Math.min(transactions - index, 2 + this.#random.below(SESSION_APPENDS - 1));
        const appends = Array.from({ length: count }, () => this.#append(`${writer}.${index++}`, place, 0.1));
        writes.push({ kind: "session", ...place, appends });
      } else {
        writes.push({ ...this.#append(`${writer}.${index++}`, place, 0.3), ...this.#extras() });
      }
    }
    return writes;
  }

  read(): PlannedRead {
    const segment = this.#random.chance(0.5) ? this.#pick(SEGMENTS) : undefined;
    return { ...this.#place(), segment, start: this.#random.next() };
  }

  /** Followers on every instance: one of each space, and one of a segment. */
  followers(): PlannedRead[] {
    return Array.from({ length: this.#instances }, (_, instance) => [
      ...this.#spaces.map((space) => ({ space, instance, segment: undefined, start: 0 })),
      { ...this.#place(), instance, segment: this.#pick(SEGMENTS), start: 0 },
    ]).flat();
  }

  #append(name: string, place: Planned, conditional: number): PlannedAppend {
    const segments = [...new Set(Array.from({ length: 1 + this.#random.below(3) }, () => this.#pick(SEGMENTS)))];
    const parts: PlannedPart[] = segments.map((segment) => ({
      segment,
      payloads: Array.from({ length: 1 + this.#random.below(4) }, (_, record) => `${name}.${segment}.${record}`),
      conditional: false,
    }));
    if (this.#random.chance(conditional)) {
      parts[0] = { ...parts[0], conditional: true };
      // G6: a condition may also name a segment that gets no records.
      if (parts.length > 1 && this.#random.chance(0.3)) {
        const bare = { ...parts.pop()!, payloads: [], conditional: true };
        if (this.#random.chance(0.5)) parts[0] = { ...parts[0], conditional: false };
        parts.push(bare);
      }
    }
    return { kind: "append", ...place, transactionId: this.#random.uuid(), parts };
  }

  #extras(): Pick<PlannedAppend, "repeat" | "look"> {
    const { instance } = this.#place();
    const repeat = this.#random.chance(0.15)
      ? { repeat: { instance, when: this.#pick(["at once", "next", "later"] as const) } }
      : {};
    const look = this.#random.chance(0.2)
      ? { look: { instance: this.#place().instance, at: this.#pick(["segment", "space", "peek", "status"] as const) } }
      : {};
    return { ...repeat, ...look };
  }

  #place(): Planned {
    return { space: this.#pick(this.#spaces), instance: this.#random.below(this.#instances) };
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)];
  }
}
