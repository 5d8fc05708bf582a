import { LIMITS } from "@streamkit/protocol";
import {
  type Check,
  type ChecksOf,
  callback,
  checkArgument,
  checkOptions,
  count,
  fields,
  millis,
  oneOf,
  shown,
  signal,
  text,
  ttl,
} from "../options.ts";
import type { Entry } from "../read/entry.ts";
import type { ConsumerState } from "../state.ts";

/** The second argument of a handler. */
export interface HandlerContext<Store> {
  /**
   * Fires when the handler must give up: the lease is lost, the consumer has failed, or the grace of `stop` is over.
   */
  readonly signal: AbortSignal;
  /** Number of this attempt at these entries in this process: 1 for the first. */
  readonly attempt: number;
  /** The store. With `exclusive`, appends through it carry the token of the lease. */
  readonly store: Store;
  /**
   * With `exclusive`: the token of the lease, which rises with each process that takes over; otherwise `undefined`.
   * Pass it to outside systems that can refuse requests with a smaller token than the largest they have seen.
   */
  readonly fencingToken: bigint | undefined;
}

/** The way to go on after a handler has failed. */
export type FailureDecision =
  /** Call the handler again, after a pause that doubles with each attempt; or after `retryAfterMillis`. */
  | "retry"
  | { readonly retryAfterMillis: number }
  /** Go on without the entries, which then count as handled. */
  | "skip"
  /** Write the entries to the parking segment (see `parking`), then go on. */
  | "park"
  /** Stop the consumer with the error. The next start delivers the entries again. */
  | "stop";

/** A call of a handler that failed. */
export interface HandlerFailure<Out> {
  /** The error that the handler threw. */
  readonly error: unknown;
  /**
   * The entries of the call, in order, all of one segment: one entry with `handler`, the whole batch with
   * `batchHandler`. If the codec could not decode an entry of a batch, only that entry; the consumer then handles the
   * others without it.
   */
  readonly entries: readonly Entry<Out>[];
  /** Number of attempts in this process so far. */
  readonly attempt: number;
}

/** The segment for parked entries. */
export interface Parking {
  readonly space: string;
  /** Name of the segment. Default: the consumer's name. */
  readonly segment?: string;
}

/** The lease of a consumer that runs in one process at a time. */
export interface Exclusive {
  /** Silence of the active process after which another process takes over, in milliseconds: 1,000 to 86,400,000. */
  readonly ttl: number;
  /** The key of the lease. Default: `consumer/` and the consumer's name. */
  readonly key?: string;
  /**
   * Name of this process in the lease, for people. The client appends a random text to it. Default: a random holder.
   */
  readonly holder?: string;
}

/** Options of a consumer. */
export interface ConsumerOptions<Out, Store> {
  /** Name of the cursor. Consumers with different names are independent of each other. */
  readonly name: string;
  /** Names of the spaces to read: 1 to 64. */
  readonly spaces: readonly string[];
  /**
   * Handles one entry. Gets the entries of one segment one after the other, in order; of several segments, in parallel.
   */
  readonly handler?: (entry: Entry<Out>, context: HandlerContext<Store>) => unknown;
  /** In place of `handler`: handles the waiting entries of one segment together, at most `maxBatch` of them. */
  readonly batchHandler?: (entries: readonly Entry<Out>[], context: HandlerContext<Store>) => unknown;
  /** Most entries of one call of `batchHandler`. Default 100. */
  readonly maxBatch?: number;
  /** Most handlers that run at the same time, each for another segment. Default 8. */
  readonly concurrency?: number;
  /** Most entries in memory: those that wait for a handler, and those that handlers work on. Default 1,000. */
  readonly maxQueued?: number;
  /** Start of a consumer without a cursor: the first retained entry, or the head of each space. Default "start". */
  readonly from?: "start" | "head";
  /**
   * Longest time from the handling of an entry to the commit of the cursor, in milliseconds; may be Infinity. Default
   * 1,000.
   */
  readonly commitInterval?: number;
  /**
   * Number of handled entries after which the consumer commits the cursor at the latest; may be Infinity. Default
   * 1,000.
   */
  readonly commitCount?: number;
  /**
   * Decides about entries whose handler failed. May be asynchronous. Default: "stop" after five attempts, or at once
   * for an entry that the codec cannot decode (`CODEC_FAILED`).
   */
  readonly onFailure?: (failure: HandlerFailure<Out>) => FailureDecision | Promise<FailureDecision>;
  /**
   * Segment to which "park" writes entries: payload and labels, and further labels that name their origin. If the
   * record becomes too large, the consumer leaves out the payload, then also the labels, and names them in the label
   * `parked-without`.
   */
  readonly parking?: Parking;
  /**
   * A lease, so that one process at a time runs the consumer and the others stand by. Default false: if two processes
   * run it, the earlier one fails with `CURSOR_CONFLICT`.
   */
  readonly exclusive?: Exclusive | false;
  /**
   * Reaction to a cursor beyond the head, for which no entries would arrive. It means that the store was created again
   * or restored from an older backup, or that a wrong position was committed. Default "fail": the consumer ends with
   * `POSITION_BEYOND_HEAD`. With "wait" it stays in the state `beyondHead` until the head gets there.
   */
  readonly beyondHead?: "fail" | "wait";
  /** Called with each new state. */
  readonly onStateChange?: (state: ConsumerState) => void;
  /** Called after each commit of the cursor, with its offsets by space. */
  readonly onCommit?: (offsets: ReadonlyMap<string, number>) => void;
  /** Stops the consumer, as `stop` does. */
  readonly signal?: AbortSignal;
}

const PARKING = fields({ space: text, segment: text } satisfies ChecksOf<Parking>, ["space"]);

const EXCLUSIVE = fields({ ttl, key: text, holder: text } satisfies ChecksOf<Exclusive>, ["ttl"]);

const CONSUMER_OPTIONS = {
  name: text,
  spaces: namesOfSpaces,
  handler: callback,
  batchHandler: callback,
  maxBatch: count(1),
  concurrency: count(1),
  maxQueued: count(1),
  from: oneOf("start", "head"),
  commitInterval: millis(0, Number.POSITIVE_INFINITY),
  commitCount: count(1, Number.MAX_SAFE_INTEGER, true),
  onFailure: callback,
  parking: PARKING,
  exclusive: (value, field, report) => {
    if (value !== false) EXCLUSIVE(value, field, report);
  },
  beyondHead: oneOf("fail", "wait"),
  onStateChange: callback,
  onCommit: callback,
  signal,
} satisfies ChecksOf<ConsumerOptions<unknown, unknown>>;

/** @throws StreamkitError INVALID_FIELD, which names every option with a problem */
export function checkConsumerOptions(options: ConsumerOptions<never, never>): void {
  checkOptions("consumer", options, CONSUMER_OPTIONS, ["name", "spaces"]);
  checkArgument("consumer", "handler", options, (value, field, report) => {
    const { handler, batchHandler } = value as ConsumerOptions<never, never>;
    if (handler === undefined && batchHandler === undefined) report(field, "is missing: give it, or batchHandler");
    if (handler !== undefined && batchHandler !== undefined)
      report(field, "must not be given together with batchHandler");
  });
}

/**
 * Checks the decision of `onFailure`.
 *
 * @throws StreamkitError INVALID_FIELD
 */
export function checkDecision(decision: FailureDecision): void {
  const isPause = typeof decision === "object" && decision !== null;
  const check = isPause
    ? fields({ retryAfterMillis: millis(0, Number.POSITIVE_INFINITY) }, ["retryAfterMillis"])
    : oneOf("retry", "skip", "park", "stop");
  checkArgument("onFailure", "the decision", decision, check);
}

function namesOfSpaces(...[value, field, report]: Parameters<Check>): void {
  if (!Array.isArray(value)) {
    report(field, `must be an array of names, such as ["orders"]; got ${shown(value)}`);
    return;
  }
  if (value.length < 1 || value.length > LIMITS.maxConsumeSpaces) {
    report(field, `must name 1 to ${LIMITS.maxConsumeSpaces} spaces; got ${value.length}`);
  }
  for (const [index, name] of value.entries()) text(name, `${field}[${index}]`, report);
}
