import { ErrorReason } from "@streamkit/protocol";
import { NotTriedError, ServerError, StoreClosedError, StoreDeletedError } from "./errors.ts";
import type { EventKind, Report, StreamkitEvent } from "./event.ts";
import { EventLimiter } from "./event-limiter.ts";
import { formatEvent } from "./format-event.ts";

/** Totals since the start. */
export interface EventCounts {
  /** Occurrences by kind, reported or not. */
  readonly kinds: ReadonlyMap<EventKind, number>;
  /** Failed calls by the reason that the client got. */
  readonly refusals: ReadonlyMap<ErrorReason, number>;
}

/** Kinds that are reported every time. Changes of health are no more frequent than probes. */
const ALWAYS: ReadonlySet<EventKind> = new Set(["data-loss", "health-changed"]);

/** Reasons that blame the storage and not the request. */
const STORAGE_REASONS: ReadonlySet<ErrorReason> = new Set([ErrorReason.STORAGE_UNAVAILABLE, ErrorReason.DISK_FULL]);

/**
 * The single receiver of failures. It sends the first event of a kind and store at once, and counts further ones. When
 * the interval ends, it sends the latest of them with the count. It sends every event of the kinds in `ALWAYS`.
 */
export class Events {
  readonly #sink: (event: StreamkitEvent) => unknown;
  readonly #limiter: EventLimiter;
  readonly #kinds = new Map<EventKind, number>();
  readonly #refusals = new Map<ErrorReason, number>();
  /** Errors that were reported here, so that a failure that passes several layers is one event. */
  readonly #reported = new WeakSet<object>();

  /**
   * @param sink receives the events; its errors are ignored. Default: writes one line of text per event to stderr
   * @param intervalMillis least time between two events of one kind at one store, in milliseconds. Default 30,000
   */
  constructor(sink: (event: StreamkitEvent) => unknown = writeLine, intervalMillis = 30_000) {
    this.#sink = sink;
    this.#limiter = new EventLimiter((event) => this.#send(event), intervalMillis);
  }

  /** Reports an event. Never throws. */
  report(report: Report): void {
    this.#kinds.set(report.kind, (this.#kinds.get(report.kind) ?? 0) + 1);
    if (ALWAYS.has(report.kind)) this.#send({ ...report, count: 1 });
    else this.#limiter.take(report);
  }

  /**
   * Reports a failure, with the kind of its reason. Ignores expected failures: errors that were reported before and
   * their consequences, stores that were closed or deleted, and refusals of requests.
   *
   * @param operation the operation that failed, for instance the name of a method
   * @param kind kind of the event, unless the error is DATA_LOSS. Default: `storage-failed` for failures of the
   *   storage; other failures are not reported
   */
  failure(error: unknown, operation: string, storeId?: string, kind?: EventKind): void {
    const reportedAs = kindOf(error, kind);
    if (reportedAs === undefined || this.#isKnown(error)) return;
    if (typeof error === "object" && error !== null) this.#reported.add(error);
    const message = error instanceof ServerError ? `${operation}: ${error.message}` : `${operation} failed`;
    this.report({ level: "error", kind: reportedAs, message, cause: error, ...(storeId !== undefined && { storeId }) });
  }

  /** Counts a call that failed with a reason. */
  refused(reason: ErrorReason): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  counts(): EventCounts {
    return { kinds: new Map(this.#kinds), refusals: new Map(this.#refusals) };
  }

  /** Sends the retained events. Later events are reported as before. */
  flush(): void {
    this.#limiter.flush();
  }

  /** True if an error or one of its causes was reported, or follows from a decision of this server. */
  #isKnown(error: unknown): boolean {
    for (let at = error, depth = 0; typeof at === "object" && at !== null && depth < 8; depth++) {
      if (this.#reported.has(at)) return true;
      if (at instanceof StoreDeletedError || at instanceof StoreClosedError || at instanceof NotTriedError) return true;
      at = (at as { cause?: unknown }).cause;
    }
    return false;
  }

  #send(event: StreamkitEvent): void {
    // This class has no other place to report a failure of the sink to.
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
