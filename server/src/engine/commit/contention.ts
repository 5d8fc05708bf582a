/** How often and how long a busy writer steps aside. */
export interface Pace {
  /** How often one that has seen no others steps aside, in milliseconds. */
  readonly yieldEveryMillis: number;
  /** After how many commits one that has seen others does. */
  readonly burst: number;
  /** For how long, in multiples of the time that a commit takes. */
  readonly yieldCommits: number;
  /** Longest pause after a second conflict, in multiples of the time that a commit takes. */
  readonly retryCommits: number;
  /** Others count as competitors for this long after a commit of theirs was seen, in milliseconds. */
  readonly memoryMillis: number;
}

export const PACE: Pace = {
  yieldEveryMillis: 1_000,
  burst: 8,
  yieldCommits: 3,
  retryCommits: 4,
  memoryMillis: 1_000,
};
/** A commit is taken to last no longer than this, in milliseconds. */
const LONGEST_MILLIS = 250;

/** What a test or a simulation replaces. */
interface Surroundings {
  readonly now: () => number;
  readonly random: () => number;
}

/**
 * Gives every instance that writes a space its turn.
 *
 * Whoever has committed knows the new head at once, and everyone else has to read it first. So an instance with work
 * for commit after commit would keep the others out for good. It steps aside: now and then, for it cannot see whether
 * others wait, and after every few commits once it has seen one of theirs. Those who lost try again at once, and then
 * after random pauses, the shorter the more often they have lost. Bursts, because a hand-over costs a read.
 *
 * The numbers come from a simulation of 1, 2 and 4 instances that always have work (docs/scaling.md); they give each
 * its share, and together 80 % and more of the commits of one instance alone.
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

  /** Others were seen to have committed. */
  others(): void {
    this.#othersSeen = this.#surroundings.now();
    this.#burst = 0;
  }

  /** An own commit succeeded, and took that long. */
  committed(millis: number): void {
    const now = this.#surroundings.now();
    const { burst, memoryMillis, yieldCommits, yieldEveryMillis } = this.#pace;
    this.#measured(millis);
    // Who was idle in between has stepped aside already.
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

  /** How long to wait before the next group is committed, in milliseconds. */
  pauseBeforeNext(): number {
    return Math.max(0, this.#quietUntil - this.#surroundings.now());
  }

  /**
   * An own commit met a conflict, and took that long.
   *
   * @param conflicts how many the same commit has met by now
   * @returns how long to wait before it is tried again, in milliseconds
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
