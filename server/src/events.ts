import { ErrorReason } from "@streamkit/protocol";
import { NotTriedError, ServerError, StoreClosedError, StoreDeletedError } from "./errors.ts";
import type { EventKind, Report, StreamkitEvent } from "./event.ts";
import { EventLimiter } from "./event-limiter.ts";
import { formatEvent } from "./format-event.ts";

/** Totals since the start. */
export interface EventCounts {
  /** Occurrences by kind, reported or not. */
  readonly kinds: ReadonlyMap<EventKind, number>;
  /** Failed calls by the reason that the client was told. */
  readonly refusals: ReadonlyMap<ErrorReason, number>;
}

/** Kinds that are news every time. Changes of health are as rare as probes. */
const ALWAYS: ReadonlySet<EventKind> = new Set(["data-loss", "health-changed"]);

/** Reasons that are a failure of the storage, and not of the request. */
const STORAGE_REASONS: ReadonlySet<ErrorReason> = new Set([ErrorReason.STORAGE_UNAVAILABLE, ErrorReason.DISK_FULL]);

/**
 * The one place that failures are reported to. The first event of a kind at a store goes out at once; those that follow
 * within the interval are counted, and the last one goes out, with the count, when the interval is over. Kinds that are
 * news every time always go out.
 */
export class Events {
  readonly #sink: (event: StreamkitEvent) => unknown;
  readonly #limiter: EventLimiter;
  readonly #kinds = new Map<EventKind, number>();
  readonly #refusals = new Map<ErrorReason, number>();
  /** Errors that went through here, so that a failure that passes several layers is one event. */
  readonly #reported = new WeakSet<object>();

  /**
   * @param sink gets the events; what it throws is ignored. Default: one line of text per event on stderr
   * @param intervalMillis least time between two events of one kind at one store, in milliseconds. Default 30,000
   */
  constructor(sink: (event: StreamkitEvent) => unknown = writeLine, intervalMillis = 30_000) {
    this.#sink = sink;
    this.#limiter = new EventLimiter((event) => this.#send(event), intervalMillis);
  }

  /** Reports something that happened. Never throws. */
  report(report: Report): void {
    this.#kinds.set(report.kind, (this.#kinds.get(report.kind) ?? 0) + 1);
    if (ALWAYS.has(report.kind)) this.#send({ ...report, count: 1 });
    else this.#limiter.take(report);
  }

  /**
   * Reports a failure, as the kind that its reason stands for. Failures that are no news are passed over: errors
   * reported before and their consequences, stores that were closed or deleted, and refusals of requests.
   *
   * @param what what was going on, for instance the name of a method
   * @param kind what to report as, unless it is DATA_LOSS. Default: failures of storage as `storage-failed`, and no
   *   others
   */
  failure(error: unknown, what: string, storeId?: string, kind?: EventKind): void {
    const reportedAs = kindOf(error, kind);
    if (reportedAs === undefined || this.#isKnown(error)) return;
    if (typeof error === "object" && error !== null) this.#reported.add(error);
    const message = error instanceof ServerError ? `${what}: ${error.message}` : `${what} failed`;
    this.report({ level: "error", kind: reportedAs, message, cause: error, ...(storeId !== undefined && { storeId }) });
  }

  /** Counts a call that failed with a reason. */
  refused(reason: ErrorReason): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  counts(): EventCounts {
    return { kinds: new Map(this.#kinds), refusals: new Map(this.#refusals) };
  }

  /** Reports what was held back. Events after this are reported as before. */
  flush(): void {
    this.#limiter.flush();
  }

  /**
   * Whether an error, or an error that it came from, was reported, or is the consequence of a decision of this server.
   */
  #isKnown(error: unknown): boolean {
    for (let at = error, depth = 0; typeof at === "object" && at !== null && depth < 8; depth++) {
      if (this.#reported.has(at)) return true;
      if (at instanceof StoreDeletedError || at instanceof StoreClosedError || at instanceof NotTriedError) return true;
      at = (at as { cause?: unknown }).cause;
    }
    return false;
  }

  #send(event: StreamkitEvent): void {
    // The reporter of failures has nobody to report its own to.
    const ignored = () => undefined;
    try {
      Promise.resolve(this.#sink(event)).catch(ignored);
    } catch {
      ignored();
    }
  }
}

function kindOf(error: unknown, kind: EventKind | undefined): EventKind | undefined {
  if (!(error instanceof ServerError)) return kind;
  if (error.reason === ErrorReason.DATA_LOSS) return "data-loss";
  return kind ?? (STORAGE_REASONS.has(error.reason) ? "storage-failed" : undefined);
}

function writeLine(event: StreamkitEvent): void {
  process.stderr.write(`${formatEvent(event, "text")}\n`);
}
