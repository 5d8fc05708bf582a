import { Random } from "./random.ts";

/** What a workload is going to do: the same for the same seed. What the server makes of it depends on timing. */
export interface Plan {
  readonly seed: number;
  readonly store: string;
  readonly space: string;
  readonly writers: readonly (readonly PlannedAppend[])[];
  readonly readers: readonly (readonly PlannedRead[])[];
  readonly followers: readonly PlannedRead[];
  /** Milliseconds between one kill and the next, and so on; empty where the server cannot be killed. */
  readonly kills: readonly number[];
}

export interface PlannedAppend {
  readonly transactionId: string;
  readonly parts: readonly { readonly segment: string; readonly payloads: readonly string[] }[];
  /** Expect what the writer believes to be the last sequence of the first part's segment. */
  readonly conditional: boolean;
  /** Send the same transaction again although the first answer came. */
  readonly repeat: boolean;
}

export interface PlannedRead {
  readonly segment: string | undefined;
  /** Part of what is known to be there at which to begin, from 0 to 1. */
  readonly start: number;
}

export interface PlanOptions {
  readonly writers?: number;
  readonly appendsPerWriter?: number;
  readonly kills?: number;
}

const SEGMENTS = ["a", "b", "c", "d"];

/** Plans a workload. */
export function makePlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new Random(seed);
  const segment = (): string => SEGMENTS[random.below(SEGMENTS.length)]!;
  const writers = Array.from({ length: options.writers ?? 4 }, (_, writer) =>
    Array.from({ length: options.appendsPerWriter ?? 40 }, (_, index) => {
      const names = [...new Set(Array.from({ length: 1 + random.below(3) }, segment))];
      const parts = names.map((name) => ({
        segment: name,
        payloads: Array.from({ length: 1 + random.below(4) }, (_, record) => `${writer}.${index}.${record}`),
      }));
      return { transactionId: random.uuid(), parts, conditional: random.chance(0.3), repeat: random.chance(0.1) };
    }),
  );
  const read = (): PlannedRead => ({ segment: random.chance(0.5) ? segment() : undefined, start: random.next() });
  return {
    seed,
    store: random.uuid(),
    space: "history",
    writers,
    readers: Array.from({ length: 2 }, () => Array.from({ length: 20 }, read)),
    followers: [
      { segment: undefined, start: 0 },
      { segment: segment(), start: 0 },
    ],
    kills: Array.from({ length: options.kills ?? 0 }, () => 50 + random.below(300)),
  };
}
