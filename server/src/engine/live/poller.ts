/** Soonest look after one that found something, in milliseconds. */
const BUSY_MILLIS = 25;

/** A timer of more milliseconds fires at once: they are kept in 31 bits. */
const MAX_TIMER_MILLIS = 2 ** 31 - 1;

export interface PollerOptions {
  /** Looks at the storage; true when it found something new. A look that fails is repeated at the next turn. */
  readonly look: (urgent: boolean) => Promise<boolean>;
  /** Longest time between two looks, in milliseconds. */
  readonly restMillis: number;
}

/**
 * When to look for what other instances have committed: soon after a look that found something, then after pauses that
 * double up to the rest interval; and at once when somebody gives a hint.
 *
 * Polling alone makes followers complete. Hints only make them faster, and they may be anybody's: hints that lead to
 * nothing are followed after pauses that double as well, so that a flood of them costs no more than a few looks.
 */
export class Poller {
  readonly #options: PollerOptions;
  #timer: NodeJS.Timeout | undefined;
  #pause: number;
  #hintPause = 0;
  #lastLook = Number.NEGATIVE_INFINITY;
  #looking = false;
  #hinted = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#pause = options.restMillis;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  start(): void {
    if (!this.running) this.#schedule(this.#pause);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hinted = false;
    this.#pause = this.#options.restMillis;
  }

  /** Somebody says that there is something new. Does nothing while the poller is stopped. */
  hint(): void {
    if (!this.running || this.#hinted) return;
    this.#hinted = true;
    if (!this.#looking) this.#schedule(Math.max(0, this.#lastLook + this.#hintPause - performance.now()));
  }

  #schedule(millis: number): void {
    clearTimeout(this.#timer);
    // Instances that started together shall not stay in step.
    const pause = Math.min(MAX_TIMER_MILLIS, millis * (0.9 + Math.random() / 5));
    this.#timer = setTimeout(() => void this.#look(), pause);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const hinted = this.#hinted;
    const timer = this.#timer;
    this.#hinted = false;
    this.#looking = true;
    const found = await this.#options.look(hinted).catch(() => false);
    this.#looking = false;
    this.#lastLook = performance.now();
    const { restMillis } = this.#options;
    if (hinted) {
      this.#hintPause = found ? 0 : Math.min(restMillis, Math.max(5, this.#hintPause * 2));
    } else {
      this.#pause = found ? Math.min(BUSY_MILLIS, restMillis) : Math.min(restMillis, this.#pause * 2);
    }
    // Stopped meanwhile, perhaps started again, and then perhaps hinted at.
    if (this.#timer !== timer && !(this.running && this.#hinted)) return;
    this.#schedule(this.#hinted ? this.#hintPause : this.#pause);
  }
}
