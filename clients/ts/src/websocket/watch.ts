import { now, quietTimer } from "./platform.ts";

/** A timer that fires later than this says that the program stood still, and so does not know what has arrived. */
const LATE_MILLIS = 1_000;

/** What a watch does. */
export interface WatchActions {
  /** True while somebody waits for something of the peer. */
  isNeeded(): boolean;
  /** Sends something that the peer answers. */
  ping(): void;
  /** The peer is gone. */
  giveUp(): void;
}

/** How long a peer may be silent, in milliseconds. */
export interface WatchTimes {
  /** Silence after which it is asked. */
  readonly pingIntervalMillis: number;
  /** Silence after the question. */
  readonly pingTimeoutMillis: number;
}

/** Doubts a peer that is silent while calls wait for it: asks it, and gives it up when nothing comes. */
export class Watch {
  readonly #times: WatchTimes;
  readonly #actions: WatchActions;
  #heardAt = now();
  #pingedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = 0;

  constructor(times: WatchTimes, actions: WatchActions) {
    this.#times = times;
    this.#actions = actions;
  }

  /** The peer has said something. */
  heard(): void {
    this.#heardAt = now();
    if (this.#pingedAt === undefined) return;
    this.#pingedAt = undefined;
    this.#look();
  }

  /** Somebody waits from now on. A peer that was silent for long before is asked at once: the path may be gone. */
  start(): void {
    if (this.#timer === undefined) this.#look();
  }

  /** Asks the peer now. */
  doubt(): void {
    if (this.#pingedAt === undefined) this.#ask();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.stop();
    const { pingIntervalMillis, pingTimeoutMillis } = this.#times;
    if (this.#pingedAt !== undefined) {
      const left = this.#pingedAt + pingTimeoutMillis - now();
      if (left <= 0) this.#actions.giveUp();
      else this.#arm(left);
      return;
    }
    if (!this.#actions.isNeeded()) return;
    const left = this.#heardAt + pingIntervalMillis - now();
    if (left <= 0) this.#ask();
    else this.#arm(left);
  }

  #ask(): void {
    this.#pingedAt = now();
    this.#actions.ping();
    this.#arm(this.#times.pingTimeoutMillis);
  }

  #arm(millis: number): void {
    this.stop();
    this.#firesAt = now() + millis;
    this.#timer = quietTimer(() => {
      // After a sleep of the machine, or of this thread: the answer may be there and not read yet.
      if (this.#pingedAt !== undefined && now() - this.#firesAt > LATE_MILLIS) this.#pingedAt = now();
      this.#look();
    }, millis);
  }
}
