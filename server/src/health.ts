import { ErrorReason } from "@streamkit/protocol";
import { NotTriedError, ServerError, StoreClosedError, StoreDeletedError } from "./errors.ts";
import type { Events } from "./events.ts";
import type { Storage } from "./storage/port.ts";

/** Readiness of the server for its work. */
export interface Readiness {
  readonly ready: boolean;
  /** Why the server is not ready, without paths and addresses, as anybody may read it. The event has the cause. */
  readonly reason?: string;
}

interface Failure {
  readonly reason: string;
  readonly cause: unknown;
}

export interface HealthOptions {
  /** Time between probes while the storage works, in milliseconds. Default 30,000. */
  readonly restMillis?: number;
  /** Time between probes while the storage fails, in milliseconds. Default 1,000. */
  readonly failingMillis?: number;
  /** A probe fails without an answer in this time, in milliseconds. Default 10,000. */
  readonly timeoutMillis?: number;
}

/** Consecutive failures of calls after which the storage counts as failing. */
const FAILING_AFTER = 5;

/** Number of steps in which the time limit of a probe passes. */
const TIMEOUT_STEPS = 10;

/**
 * Knows whether the storage works, from the outcome of calls and of probes. The server is not ready if the latest probe
 * failed, or if several calls in a row failed. A successful probe makes it ready again, unless calls keep failing.
 */
export class StorageHealth {
  readonly #storage: Storage;
  readonly #events: Events;
  readonly #options: Required<HealthOptions>;
  readonly #listeners = new Set<() => void>();
  #probeFailure: Failure | undefined;
  #callFailure: Failure | undefined;
  #failures = 0;
  #failuresAtProbe = 0;
  #probing: Promise<void> | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #begun = false;
  #closed = false;

  constructor(storage: Storage, events: Events, options: HealthOptions = {}) {
    this.#storage = storage;
    this.#events = events;
    this.#options = { restMillis: 30_000, failingMillis: 1_000, timeoutMillis: 10_000, ...options };
  }

  ready(): Readiness {
    if (this.#closed) return { ready: false, reason: "the server is shutting down" };
    const failure = this.#probeFailure ?? this.#callFailure;
    return failure === undefined ? { ready: true } : { ready: false, reason: failure.reason };
  }

  /** Calls `listener` after each change of `ready()`, until disposed. */
  subscribe(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Starts periodic probes. The first call that uses the storage also starts them. */
  start(): void {
    if (this.#storage.probe === undefined || this.#begun) return;
    this.#begun = true;
    void this.probe();
  }

  /** Records that a call used the storage successfully. */
  worked(): void {
    this.start();
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#failuresAtProbe = 0;
    this.#change(() => {
      this.#callFailure = undefined;
    });
  }

  /** Records that a call failed. Ignores failures that are not the storage's. */
  failed(error: unknown): void {
    if (!isStorageFailure(error)) return;
    this.start();
    this.#failures++;
    if (this.#failures >= FAILING_AFTER) {
      this.#change(() => {
        const { reason } = failureOf(error);
        this.#callFailure = { reason: `the storage failed ${FAILING_AFTER} times in a row: ${reason}`, cause: error };
      });
    }
    // Reads that succeed between failing writes prove nothing. So a probe decides, as soon as the last one is old
    // enough.
    if (this.#probing === undefined) {
      this.#schedule(Math.max(0, this.#probedAt + this.#options.failingMillis - performance.now()));
    }
  }

  /** Probes the storage now, or joins a probe under way. Never rejects. */
  probe(): Promise<void> {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined;
      const rest = this.#failures === 0 && this.#probeFailure === undefined;
      this.#schedule(rest ? this.#options.restMillis : this.#options.failingMillis);
    });
    return this.#probing;
  }

  /** Ends the probes. The server is not ready from now on. */
  close(): void {
    clearTimeout(this.#timer);
    this.#change(() => {
      this.#closed = true;
    });
  }

  async #probe(): Promise<void> {
    if (this.#storage.probe === undefined || this.#closed) return;
    this.#probedAt = performance.now();
    const outcome = this.#storage.probe({ create: false }).then(
      () => undefined,
      (error) => failureOf(error),
    );
    const { timeoutMillis } = this.#options;
    const { promise: timeout, resolve } = Promise.withResolvers<Failure>();
    const silence = { reason: `the storage did not answer within ${timeoutMillis} ms`, cause: undefined };
    // The limit passes in steps. While the process is busy it reads no answers, and at most one step passes.
    let steps = 0;
    const timer = setInterval(() => {
      steps++;
      if (steps === TIMEOUT_STEPS) resolve(silence);
    }, timeoutMillis / TIMEOUT_STEPS).unref();
    const late = timeout.then((failure) => this.#probed(failure));
    await Promise.race([outcome, late]);
    clearInterval(timer);
    // Only one probe at a time, even if the storage hangs. The late answer replaces the failure.
    this.#probed(await outcome);
  }

  #probed(failure: Failure | undefined): void {
    this.#change(() => {
      this.#probeFailure = failure;
      if (failure === undefined && this.#failures === this.#failuresAtProbe) {
        this.#callFailure = undefined;
        this.#failures = 0;
      }
      this.#failuresAtProbe = this.#failures;
    });
  }

  #schedule(millis: number): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#storage.probe === undefined) return;
    this.#timer = setTimeout(() => void this.probe(), millis).unref();
  }

  #change(change: () => void): void {
    const before = this.ready().ready;
    change();
    const { ready, reason } = this.ready();
    if (ready === before) return;
    if (!this.#closed) {
      const message = ready ? "ready: the storage works again" : `not ready: ${reason}`;
      const cause = (this.#probeFailure ?? this.#callFailure)?.cause;
      const level = ready ? "info" : "error";
      this.#events.report({ level, kind: "health-changed", message, ...(cause !== undefined && { cause }) });
    }
    for (const listener of [...this.#listeners]) listener();
  }
}

function failureOf(error: unknown): Failure {
  // The message of any other error may hold paths.
  return { reason: error instanceof ServerError ? error.message : "the storage failed", cause: error };
}

function isStorageFailure(error: unknown): boolean {
  if (!(error instanceof ServerError)) return false;
  if (error instanceof StoreDeletedError || error instanceof StoreClosedError || error instanceof NotTriedError) {
    return false;
  }
  return error.reason === ErrorReason.STORAGE_UNAVAILABLE || error.reason === ErrorReason.DISK_FULL;
}
