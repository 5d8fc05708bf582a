import type { Events } from "../../events.ts";
import { AuthenticationUnavailable } from "../denial.ts";
import { describeKeys, type KeySet, sameKeys, type TokenKey } from "./key-set.ts";
import type { KeySource } from "./key-source.ts";

/** Times of remote keys, in milliseconds. */
export interface RemoteTimes {
  /** Between two looks at the keys. */
  readonly refresh: number;
  /** Between two attempts after a failure, and between two looks because of unknown key ids. */
  readonly pause: number;
  /** Longest attempt. */
  readonly attempt: number;
}

const TIMES: RemoteTimes = { refresh: 300_000, pause: 10_000, attempt: 5_000 };

/** Most calls that wait for an attempt. Further ones fail at once. */
const MAX_WAITING = 256;

/**
 * Keys behind a URL.
 *
 * A timer loads them, so requests cause no load: one attempt at a time, and a pause between attempts. Known keys stay
 * valid while the URL does not answer. Only a token with an unknown key id may ask for an attempt ahead of the timer,
 * at most once per pause.
 */
export class RemoteKeys implements KeySource {
  readonly #name: string;
  onChange?: () => void;
  readonly #load: (signal: AbortSignal) => Promise<KeySet>;
  readonly #events: Events;
  readonly #times: RemoteTimes;
  readonly #closed = new AbortController();
  #keys: KeySet | undefined;
  #attempt: Promise<void> | undefined;
  #startedAt = 0;
  /** The reason why the last attempt failed; undefined after a success. */
  #failure: unknown;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param load gets the keys; its errors have a message of one line */
  constructor(
    name: string,
    load: (signal: AbortSignal) => Promise<KeySet>,
    events: Events,
    times: Partial<RemoteTimes> = {},
  ) {
    this.#name = name;
    this.#load = load;
    this.#events = events;
    this.#times = { ...TIMES, ...times };
    this.#start();
  }

  find(algorithm: string, id: string | undefined): readonly TokenKey[] | Promise<readonly TokenKey[]> {
    const found = this.#keys?.fitting(algorithm, id) ?? [];
    if (found.length > 0) return found;
    // Without an id, a new set of keys would bring no better answer.
    if (this.#keys !== undefined && id === undefined) return [];
    if (this.#keys !== undefined && this.#attempt === undefined && this.#sinceStart() >= this.#times.pause) {
      this.#start();
    }
    // After a failure, the next attempt is likely to fail as well, and a caller gets its answer at once.
    if (this.#failure !== undefined || this.#closed.signal.aborted) throw this.#unavailable();
    if (this.#attempt === undefined) return [];
    return this.#afterAttempt(this.#attempt, algorithm, id);
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  async #afterAttempt(attempt: Promise<void>, algorithm: string, id: string | undefined) {
    if (this.#waiting >= MAX_WAITING) throw this.#unavailable();
    this.#waiting++;
    try {
      await attempt;
    } finally {
      this.#waiting--;
    }
    if (this.#keys === undefined || this.#failure !== undefined) throw this.#unavailable();
    return this.#keys.fitting(algorithm, id);
  }

  #start(): void {
    if (this.#closed.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#startedAt = performance.now();
    this.#attempt = this.#try().finally(() => {
      this.#attempt = undefined;
      this.#timer = setTimeout(
        () => this.#start(),
        this.#failure !== undefined ? this.#times.pause : this.#times.refresh,
      );
      this.#timer.unref();
    });
  }

  /** Never throws. */
  async #try(): Promise<void> {
    try {
      const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#times.attempt)]);
      this.#take(await this.#load(signal));
    } catch (cause) {
      if (this.#closed.signal.aborted) return;
      this.#failure = cause;
      const effect = this.#keys === undefined ? "no token can be checked" : "the known keys stay valid";
      const message = `${this.#name}: ${(cause as Error).message}; ${effect}, and the server tries again`;
      this.#events.report({ level: "warn", kind: "token-keys", message, cause });
    }
  }

  #take(keys: KeySet): void {
    const before = this.#keys;
    const changed = before === undefined || !sameKeys(before, keys);
    const news = changed || this.#failure !== undefined;
    this.#failure = undefined;
    this.#keys = keys;
    if (before !== undefined && changed) this.onChange?.();
    if (!news) return;
    this.#events.report({ level: "info", kind: "token-keys", message: `${this.#name} has ${describeKeys(keys)}` });
  }

  #sinceStart(): number {
    return performance.now() - this.#startedAt;
  }

  #unavailable(): AuthenticationUnavailable {
    const wait = this.#failure === undefined ? 0 : Math.ceil(this.#times.pause - this.#sinceStart());
    const message = "the server cannot get the keys that check tokens; try again later with the same token";
    return new AuthenticationUnavailable(message, Math.max(1_000, wait), { cause: this.#failure });
  }
}
