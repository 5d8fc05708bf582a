import { setTimeout as delay } from "node:timers/promises";

const PATIENCE_MILLIS = 20_000;

/** What a bus has reported, to be passed as its option `onStateChange`. */
export class StateLog {
  readonly states: string[] = [];
  readonly errors: Error[] = [];

  readonly onStateChange = (connected: boolean, error?: Error): void => {
    this.states.push(connected ? "up" : "down");
    if (error !== undefined) this.errors.push(error);
  };

  /** Resolves once so many changes were reported, and checks what they were: "up down up". */
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

/** Waits until the condition holds, asking it now and then. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLIS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MILLIS} ms in vain until ${what}`);
    await delay(5);
  }
}
