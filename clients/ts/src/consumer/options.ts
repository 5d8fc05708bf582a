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

/** What a handler may use beside its entries. */
export interface HandlerContext<Store> {
  /** Fires when the consumer stops before its time: its lease was lost, or it has failed. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt at these entries in this process, 2 for the next ... */
  readonly attempt: number;
  /** The store. With `exclusive`, what is appended through it carries the token of the lease. */
  readonly store: Store;
  /**
   * With `exclusive`: the token of the lease, larger with each process that takes over. For outside systems that can
   * refuse what comes with a smaller one than they have seen.
   */
  readonly fencingToken: bigint | undefined;
}

/** What to do about entries whose handler failed. */
export type FailureDecision =
  /** Try again, after a pause that doubles; or after so many milliseconds. */
  | "retry"
  | { readonly retryAfterMillis: number }
  /** Go on without them: they count as handled. */
  | "skip"
  /** Put them aside (see `parking`), then go on. */
  | "park"
  /** Stop the consumer with the error. They are delivered again at the next start. */
  | "stop";

/** Entries that could not be handled. */
export interface HandlerFailure<Out> {
  readonly error: unknown;
  /**
   * Entries of one segment, in order: one, with `handler`; with `batchHandler` all that it got, or the one that the
   * codec could not decode. The others are then handled without it.
   */
  readonly entries: readonly Entry<Out>[];
  /** Attempts in this process so far. */
  readonly attempt: number;
}

/** Where entries go that were put aside. */
export interface Parking {
  readonly space: string;
  /** Default: the consumer's name. */
  readonly segment?: string;
}

/** A consumer that only one process at a time runs. */
export interface Exclusive {
  /** How long the active process may be silent before another takes over, in milliseconds: 1,000 to 86,400,000. */
  readonly ttl: number;
  /** The key of the lease. Default: `consumer/` and the consumer's name. */
  readonly key?: string;
  /**
   * This process, for people to read: part of the lease's holder, behind which something random comes. Default:
   * nothing.
   */
  readonly holder?: string;
}

/** What a consumer does. */
export interface ConsumerOptions<Out, Store> {
  /** The name of its cursor. Consumers with different names know nothing of each other. */
  readonly name: string;
  /** The spaces it reads: 1 to 64. */
  readonly spaces: readonly string[];
  /** Handles one entry. Entries of one segment come one after the other, in order; segments at the same time. */
  readonly handler?: (entry: Entry<Out>, context: HandlerContext<Store>) => unknown;
  /** Instead of `handler`: handles consecutive entries of one segment, as many as there are, up to `maxBatch`. */
  readonly batchHandler?: (entries: readonly Entry<Out>[], context: HandlerContext<Store>) => unknown;
  /** Most entries for one call of `batchHandler`. Default 100. */
  readonly maxBatch?: number;
  /** Segments that are handled at the same time. Default 8. */
  readonly concurrency?: number;
  /** Entries that may wait to be handled. Default 1,000. */
  readonly maxQueued?: number;
  /** Where a consumer without a cursor begins. Default "start". */
  readonly from?: "start" | "head";
  /**
   * Longest time between the handling of an entry and the commit of the cursor, in milliseconds; may be Infinity.
   * Default 1,000.
   */
  readonly commitInterval?: number;
  /** Entries handled after which the cursor is committed at the latest. Default 1,000. */
  readonly commitCount?: number;
  /**
   * Decides about entries whose handler failed. Default: five attempts, then "stop"; at once for an entry that the
   * codec cannot decode (`CODEC_FAILED`). May be asynchronous.
   */
  readonly onFailure?: (failure: HandlerFailure<Out>) => FailureDecision | Promise<FailureDecision>;
  /**
   * Where "park" puts entries: their payloads and labels, with labels that say where they came from. What does not fit
   * with those is left out, the payload first: `parked-without` says so.
   */
  readonly parking?: Parking;
  /** Only one process at a time; the others stand by. Default false: two that run at the same time are an error. */
  readonly exclusive?: Exclusive | false;
  /**
   * What to do when the cursor is beyond the head: the store was made anew or restored from an older backup, or
   * somebody committed a wrong position, and nothing would arrive. Default "fail": the consumer ends with
   * `POSITION_BEYOND_HEAD`. "wait": it waits, in the state `beyondHead`, until the head comes there.
   */
  readonly beyondHead?: "fail" | "wait";
  /** Told of each new state. */
  readonly onStateChange?: (state: ConsumerState) => void;
  /** Told after each commit of the cursor. */
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

/** What `onFailure` decided, which the application may get wrong as well as an option. */
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
