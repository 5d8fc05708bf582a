/** How often and how long a busy writer steps aside. */
export interface Pace {
  /** Interval at which a writer without competitors steps aside, in milliseconds. */
  readonly yieldEveryMillis: number;
  /** Commits after which a writer with competitors steps aside. */
  readonly burst: number;
  /** Length of a step aside, in multiples of the duration of a commit. */
  readonly yieldCommits: number;
  /** Longest pause after a second conflict, in multiples of the duration of a commit. */
  readonly retryCommits: number;
  /** Another writer counts as a competitor for this long after this instance saw its commit, in milliseconds. */
  readonly memoryMillis: number;
}

export const PACE: Pace = {
  yieldEveryMillis: 1_000,
  burst: 8,
  yieldCommits: 3,
  retryCommits: 4,
  memoryMillis: 1_000,
};
/** Upper bound of a measured duration of a commit, in milliseconds. */
const LONGEST_MILLIS = 250;

/** Clock and dice, which a test or a simulation replaces. */
interface Surroundings {
  readonly now: () => number;
  readonly random: () => number;
}

/**
 * Gives every instance that writes a space its turn.
 *
 * The instance that committed last knows the new head at once; every other instance must read the head first. An
 * instance with steady work would therefore keep the others out for good. So a busy instance steps aside: at intervals,
 * because it cannot see waiting instances, and after every few commits once it has seen a commit of another instance.
 * An instance retries at once after its first conflict, and after a random pause after each further one. The pauses get
 * shorter with every conflict. Instances commit in bursts because a hand-over costs a read.
 *
 * The numbers come from a simulation of 1, 2 and 4 instances with steady work (docs/scaling.md). Each instance gets its
 * share, and together the instances reach at least 80 % of the commits of one instance alone.
 */
export class Contention {
  readonly #surroundings: Surroundings;
  readonly #pace: Pace;
  #commitMillis = 0;
  #othersSeen = Number.NEGATIVE_INFINITY;
  #lastYield = Number.NEGATIVE_INFINITY;
  #lastCommit = Number.NEGATIVE_INFINITY;
  #burst = 0;
  #quietUntil = Number.NEGATIVE_INFINITY;

  constructor(surroundings: Surroundings = { now: () => performance.now(), random: Math.random }, pace = PACE) {
    this.#surroundings = surroundings;
    this.#pace = pace;
  }

  /** This instance saw a commit of another instance. */
  others(): void {
    this.#othersSeen = this.#surroundings.now();
    this.#burst = 0;
  }

  /** A commit of this instance succeeded, and took `millis`. */
  committed(millis: number): void {
    const now = this.#surroundings.now();
    const { burst, memoryMillis, yieldCommits, yieldEveryMillis } = this.#pace;
    this.#measured(millis);
    // An idle writer has stepped aside already.
    if (now - millis - this.#lastCommit > yieldCommits * this.#commitMillis) {
      this.#burst = 0;
      this.#lastYield = now;
    }
    this.#lastCommit = now;
    this.#burst++;
    const competing = now - this.#othersSeen < memoryMillis;
    if (competing ? this.#burst < burst : now - this.#lastYield < yieldEveryMillis) return;
    this.#burst = 0;
    this.#lastYield = now;
    this.#quietUntil = now + yieldCommits * this.#commitMillis * (0.75 + this.#surroundings.random() / 2);
  }

  /** Pause before the commit of the next group, in milliseconds. */
  pauseBeforeNext(): number {
    return Math.max(0, this.#quietUntil - this.#surroundings.now());
  }

  /**
   * A commit of this instance met a conflict, and took `millis`.
   *
   * @param conflicts how many conflicts the same commit has met so far
   * @returns pause before the next attempt, in milliseconds
   */
  conflicted(millis: number, conflicts: number): number {
    this.#measured(millis);
    if (conflicts === 1) return 0;
    return (this.#surroundings.random() * this.#pace.retryCommits * this.#commitMillis * 2) / conflicts;
  }

  #measured(millis: number): void {
    const bounded = Math.min(LONGEST_MILLIS, millis);
    this.#commitMillis += this.#commitMillis === 0 ? bounded : (bounded - this.#commitMillis) / 8;
  }
}
