import { setTimeout as delay } from "node:timers/promises";

const PATIENCE_MILLIS = 20_000;

/** The states that a bus reports. Pass `onStateChange` to the bus. */
export class StateLog {
  readonly states: string[] = [];
  readonly errors: Error[] = [];

  readonly onStateChange = (connected: boolean, error?: Error): void => {
    this.states.push(connected ? "up" : "down");
    if (error !== undefined) this.errors.push(error);
  };

  /**
   * Resolves once the bus has reported as many states as `expected` has words, such as "up down up". Fails if they
   * differ.
   */
  async reach(expected: string): Promise<void> {
    const count = expected.split(" ").length;
    await eventually(`states are ${expected}`, () => this.states.length >= count);
    if (this.states.join(" ") !== expected)
      throw new Error(`states are ${this.states.join(" ")}, expected ${expected}`);
  }

  get lastError(): string {
    return this.errors.at(-1)?.message ?? "";
  }
}

/** Resolves when the condition holds; checks it every few milliseconds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLIS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`gave up after ${PATIENCE_MILLIS} ms waiting until ${what}`);
    await delay(5);
  }
}
