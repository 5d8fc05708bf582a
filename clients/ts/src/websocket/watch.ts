import { now, quietTimer } from "./platform.ts";

/** Delay of a timer that means that the program stood still, so that an answer may wait unread, in milliseconds. */
const LATE_MILLIS = 1_000;

/** The functions of a watch. */
export interface WatchActions {
  /** True while a call waits for the peer. */
  isNeeded(): boolean;
  /** Sends a frame that the peer answers. */
  ping(): void;
  /** The peer is gone. */
  giveUp(): void;
}

/** Limits of the silence of a peer, in milliseconds. */
export interface WatchTimes {
  /** Silence before the question. */
  readonly pingIntervalMillis: number;
  /** Silence after the question. */
  readonly pingTimeoutMillis: number;
}

/** Watches a peer while calls wait for it: asks a silent peer, and gives it up if no answer arrives. */
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

  /** Notes a sign of life of the peer. */
  heard(): void {
    this.#heardAt = now();
    if (this.#pingedAt === undefined) return;
    this.#pingedAt = undefined;
    this.#look();
  }

  /** Notes that a call waits from now on. Asks a peer at once that has been silent for long: the path may be gone. */
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
