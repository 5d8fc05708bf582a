import { Random } from "../lab/random.ts";

/** Something that happens. */
interface Trouble {
  /** How long after the one before it; of consumers, after somebody has taken over from it. */
  readonly pauseMillis: number;
  readonly kind: "kill" | "freeze";
  /** How long it stays down: until it is started again (beside what starting takes), or woken up. */
  readonly millis: number;
}

export interface ConsumerTrouble extends Trouble {
  /** The one that runs the consumer, or one that waits: 0 for the first of them, 1 for the next, and around. */
  readonly victim: "active" | number;
}

export interface InstanceTrouble extends Trouble {
  readonly instance: number;
}

/**
 * What happens to consumers, without an end: the same for the same seed. Half of it follows closely on what was before.
 */
export function* consumerTroubles(seed: number, ttl: number): Generator<ConsumerTrouble, never> {
  const random = new Random(seed);
  for (;;) {
    const kind = random.chance(0.5) ? "kill" : "freeze";
    yield {
      pauseMillis: ttl * random.next() * (random.chance(0.5) ? 0.5 : 2),
      kind,
      // Most freezes are longer than the lease lasts; some are not, and the others must not take over too soon.
      millis:
        ttl *
        (kind === "kill" ? random.next() : random.chance(0.7) ? between(random, 1.2, 3) : between(random, 0.1, 0.9)),
      victim: random.chance(0.8) ? "active" : random.below(8),
    };
  }
}

/** What happens to instances, one at a time; likewise. */
export function* instanceTroubles(seed: number, ttl: number, instances: number): Generator<InstanceTrouble, never> {
  // A generator of its own: what happens to consumers does not depend on it.
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
