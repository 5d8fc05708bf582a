import { isDeepStrictEqual } from "node:util";

/** One statement that the demo has verified, or found to be false. */
export interface Check {
  readonly statement: string;
  readonly passed: boolean;
  /** The finding that contradicts the statement. */
  readonly found?: string;
}

/** Collects verified statements. Every check runs, even after another has failed. */
export class Checks {
  readonly all: Check[] = [];

  /** Checks that two values are deeply equal. */
  equal(statement: string, actual: unknown, expected: unknown): void {
    if (isDeepStrictEqual(actual, expected)) this.all.push({ statement, passed: true });
    else this.all.push({ statement, passed: false, found: `found ${show(actual)}; expected ${show(expected)}` });
  }

  /** Checks that there is no problem. `problem` describes one; `undefined` for none. */
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

/** The place where numbers stop counting up by one from `first`; `undefined` if there is none. */
export function firstGap(numbers: Iterable<number>, first = 1): string | undefined {
  let expected = first;
  for (const number of numbers) {
    if (number !== expected) return `found ${number} where ${expected} was due`;
    expected++;
  }
  return undefined;
}

/** The first difference between two lists; `undefined` if they are equal. */
export function firstDifference(actual: readonly unknown[], expected: readonly unknown[]): string | undefined {
  for (let i = 0; i < Math.min(actual.length, expected.length); i++) {
    if (!isDeepStrictEqual(actual[i], expected[i])) {
      return `item ${i + 1} is ${show(actual[i])}; expected ${show(expected[i])}`;
    }
  }
  return actual.length === expected.length ? undefined : `${actual.length} items; expected ${expected.length}`;
}
