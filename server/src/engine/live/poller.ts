/** Shortest pause after a look that found something, in milliseconds. */
const BUSY_MILLIS = 25;

/** Longest possible wait of a timer: a longer one overflows 31 bits and fires at once. */
const MAX_TIMER_MILLIS = 2 ** 31 - 1;

export interface PollerOptions {
  /**
   * Looks at the storage. Resolves to true if it found something new. If it fails, the poller looks again after the
   * usual pause.
   */
  readonly look: (urgent: boolean) => Promise<boolean>;
  /** Longest pause between two looks, in milliseconds. */
  readonly restMillis: number;
}

/**
 * Decides when to look for commits of other instances: soon after a look that found something, then after pauses that
 * double up to `restMillis`, and at once after a hint.
 *
 * Polling alone lets followers see everything; hints only make them faster. Anybody can send hints, so the pauses after
 * useless hints double as well. A flood of hints therefore costs only a few looks.
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

  /** Reports that there may be something new. Has no effect while the poller is stopped. */
  hint(): void {
    if (!this.running || this.#hinted) return;
    this.#hinted = true;
    if (!this.#looking) this.#schedule(Math.max(0, this.#lastLook + this.#hintPause - performance.now()));
  }

  #schedule(millis: number): void {
    clearTimeout(this.#timer);
    // A random factor keeps instances that started together from looking at the same time.
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
    // If the poller was stopped during the look, and perhaps started again, schedule only for a new hint.
    if (this.#timer !== timer && !(this.running && this.#hinted)) return;
    this.#schedule(this.#hinted ? this.#hintPause : this.#pause);
  }
}
