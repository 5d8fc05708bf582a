import { isDeepStrictEqual } from "node:util";

/** One statement that the demo has verified, or found to be false. */
export interface Check {
  readonly statement: string;
  readonly passed: boolean;
  /** What was found instead. */
  readonly found?: string;
}

/** Collects what was verified. Every check runs, also after one has failed. */
export class Checks {
  readonly all: Check[] = [];

  /** Values are compared deeply. */
  equal(statement: string, actual: unknown, expected: unknown): void {
    if (isDeepStrictEqual(actual, expected)) this.all.push({ statement, passed: true });
    else this.all.push({ statement, passed: false, found: `found ${show(actual)}; expected ${show(expected)}` });
  }

  /** `problem` says what is wrong; `undefined` when nothing is. */
  none(statement: string, problem: string | undefined): void {
    if (problem === undefined) this.all.push({ statement, passed: true });
    else this.all.push({ statement, passed: false, found: problem });
  }

  get failed(): readonly Check[] {
    return this.all.filter((check) => !check.passed);
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

/** Says where numbers stop counting up by one from `first`; `undefined` when they do not. */
export function firstGap(numbers: Iterable<number>, first = 1): string | undefined {
  let expected = first;
  for (const number of numbers) {
    if (number !== expected) return `found ${number} where ${expected} was due`;
    expected++;
  }
  return undefined;
}

/** Says where two lists differ first; `undefined` when they are equal. */
export function firstDifference(actual: readonly unknown[], expected: readonly unknown[]): string | undefined {
  for (let i = 0; i < Math.min(actual.length, expected.length); i++) {
    if (!isDeepStrictEqual(actual[i], expected[i])) {
      return `item ${i + 1} is ${show(actual[i])}; expected ${show(expected[i])}`;
    }
  }
  return actual.length === expected.length ? undefined : `${actual.length} items; expected ${expected.length}`;
}
