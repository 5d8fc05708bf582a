import { timerMillis } from "../silence.ts";
import { now, quietTimer } from "./platform.ts";

/** Something that ends when its time is over. */
export interface Expiring {
  expire(): void;
}

/**
 * Ends calls at their deadlines. One timer serves all of them, and a call that ends in time touches no timer: it fires
 * for the earliest deadline that it was set for, and finds the next one then.
 */
export class Deadlines {
  readonly #ends = new Map<Expiring, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = Number.POSITIVE_INFINITY;

  /** @param at as `now()` counts */
  add(call: Expiring, at: number): void {
    this.#ends.set(call, at);
    if (at < this.#firesAt) this.#arm(at);
  }

  remove(call: Expiring): void {
    this.#ends.delete(call);
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#timer = quietTimer(() => this.#fire(), timerMillis(Math.ceil(at - now())));
  }

  #fire(): void {
    this.#firesAt = Number.POSITIVE_INFINITY;
    const time = now();
    let next = Number.POSITIVE_INFINITY;
    for (const [call, at] of this.#ends) {
      if (at > time) {
        next = Math.min(next, at);
        continue;
      }
      this.#ends.delete(call);
      call.expire();
    }
    if (next < this.#firesAt) this.#arm(next);
  }
}
