import { Random } from "../lab/random.ts";

/** One trouble. */
interface Trouble {
  /**
   * Pause before the trouble, in milliseconds. It begins after the previous trouble; for consumers, as soon as one
   * process runs the consumer and another one waits.
   */
  readonly pauseMillis: number;
  readonly kind: "kill" | "freeze";
  /**
   * Duration of the trouble in milliseconds: until the restart of a killed process (not counting its start), or until a
   * frozen one wakes up.
   */
  readonly millis: number;
}

export interface ConsumerTrouble extends Trouble {
  /** The active process, or an index among the waiting ones. The index wraps around. */
  readonly victim: "active" | number;
}

export interface InstanceTrouble extends Trouble {
  readonly instance: number;
}

/**
 * Yields troubles of consumers without end, the same for the same seed. Half of them follow closely on the previous
 * one.
 */
export function* consumerTroubles(seed: number, ttl: number): Generator<ConsumerTrouble, never> {
  const random = new Random(seed);
  for (;;) {
    const kind = random.chance(0.5) ? "kill" : "freeze";
    yield {
      pauseMillis: ttl * random.next() * (random.chance(0.5) ? 0.5 : 2),
      kind,
      // Most freezes outlast the lease. During the others, no process may take over.
      millis:
        ttl *
        (kind === "kill" ? random.next() : random.chance(0.7) ? between(random, 1.2, 3) : between(random, 0.1, 0.9)),
      victim: random.chance(0.8) ? "active" : random.below(8),
    };
  }
}

/** Yields troubles of instances without end, one at a time, the same for the same seed. */
export function* instanceTroubles(seed: number, ttl: number, instances: number): Generator<InstanceTrouble, never> {
  // A separate generator, so that the troubles of consumers do not depend on those of instances.
  const random = new Random(~seed);
  for (;;) {
    const kind = random.chance(0.5) ? "kill" : "freeze";
    yield {
      pauseMillis: ttl * between(random, 2, 8),
      kind,
      millis: kind === "kill" ? 0 : ttl * between(random, 0.2, 2.5),
      instance: random.below(instances),
    };
  }
}

function between(random: Random, least: number, most: number): number {
  return least + random.next() * (most - least);
}
