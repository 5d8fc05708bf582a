import { setTimeout } from "node:timers/promises";
import {
  type AppendResponse,
  type ErrorDetail,
  ErrorReason,
  type ProduceRequest,
  type ProduceResponse,
} from "@streamkit/protocol";
import type { Request } from "@streamkit/protocol/conformance";
import type { LiveCall } from "../../suite/run/live-call.ts";
import type { Session } from "../../suite/run/session.ts";
import { entriesOf, microsOf } from "./entries.ts";
import type { Acked, AppendEvent, AppendedPart, Event, ReadEntry, ReadEvent } from "./event.ts";
import { Positions } from "./positions.ts";
import { Requests, requestOf } from "./requests.ts";

/** Most attempts at a call without an answer. */
const ATTEMPTS = 8;
const PAUSE_MILLIS = 150;

/** Reasons that trouble explains, and refusals. Any other reason is a defect. */
const EXPLAINED: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.STORAGE_UNAVAILABLE,
  ErrorReason.SHUTTING_DOWN,
  ErrorReason.DISK_FULL,
  ErrorReason.OVERLOADED,
  ErrorReason.SEQUENCE_MISMATCH,
  ErrorReason.SESSION_ABORTED,
  // The server may notice an exceeded deadline or a closed connection before the client does.
  ErrorReason.DEADLINE_EXCEEDED,
  ErrorReason.CANCELED,
]);

/** The target of a call. */
export interface Target {
  /** Name of the caller. Each caller has its own connection to each instance. */
  readonly actor: string;
  readonly instance: number;
  readonly space: string;
}

export interface CallerOptions {
  readonly store: string;
  readonly instances: number;
  /** Time limit of a call in milliseconds; after it, the outcome counts as unknown. */
  readonly callMillis: number;
  /**
   * Codes of failures without details that trouble explains. Any other code is a defect of the client. Default: all,
   * because HTTP has many ways to break.
   */
  readonly bareCodes?: ReadonlySet<string>;
}

/** Makes the calls of a workload and turns the results into events. */
export class Caller {
  readonly instances: number;
  /** Time limit of a call in milliseconds; after it, the outcome counts as unknown. */
  callMillis: number;
  readonly positions = new Positions();
  readonly requests: Requests;
  readonly #session: Session;
  readonly #bareCodes: ReadonlySet<string> | undefined;
  readonly #record: (event: Event) => void;

  constructor(session: Session, options: CallerOptions, record: (event: Event) => void) {
    this.#session = session;
    this.instances = options.instances;
    this.callMillis = options.callMillis;
    this.requests = new Requests(options.store);
    this.#bareCodes = options.bareCodes;
    this.#record = record;
  }

  /** Appends. While the outcome is unknown, repeats the request at the next instance. */
  async append(target: Target, transactionId: string, parts: readonly AppendedPart[]): Promise<AppendEvent> {
    const start = performance.now();
    const request = requestOf({ case: "append", value: this.requests.append(target.space, transactionId, parts) });
    let outcome: AppendEvent["outcome"] = { is: "unknown" };
    let attempts = 0;
    while (outcome.is === "unknown" && attempts < ATTEMPTS) {
      if (attempts > 0) await setTimeout(PAUSE_MILLIS);
      const instance = (target.instance + attempts) % this.instances;
      attempts += 1;
      const call = await this.#unary("append", { ...target, instance }, request);
      const [response] = call.responses;
      if (response?.case === "append") outcome = this.acked(response.value, target.space);
      else outcome = this.refused(call, target.space) ?? outcome;
    }
    const instance = (target.instance + attempts - 1) % this.instances;
    return this.appended(start, { ...target, instance }, { transactionId, parts, attempts, outcome });
  }

  appended(
    start: number,
    target: Target,
    what: Pick<AppendEvent, "transactionId" | "parts" | "attempts" | "outcome">,
  ): AppendEvent {
    return this.#recorded({ kind: "append", ...timed(start, target), ...what });
  }

  /** Learns positions from an acknowledgement. */
  acked(response: AppendResponse | ProduceResponse, space: string): Acked {
    const { ranges, transaction, commitTime, deduplicated } = response;
    for (const range of ranges) {
      this.positions.learn(Number(range.lastSequence), space, range.segment);
      this.positions.learn(Number(range.firstOffset + range.lastSequence - range.firstSequence), space);
    }
    return {
      is: "acked",
      number: Number(transaction?.number ?? 0n),
      micros: microsOf(commitTime),
      deduplicated,
      ranges: ranges.map(({ segment, firstSequence, firstOffset }) => ({
        segment,
        firstSequence: Number(firstSequence),
        firstOffset: Number(firstOffset),
      })),
    };
  }

  /** Learns positions from a refusal. Returns undefined if the call failed for another reason. */
  refused(call: LiveCall, space: string): AppendEvent["outcome"] | undefined {
    const detail: ErrorDetail | undefined = call.failure?.details[0];
    if (detail?.reason !== ErrorReason.SEQUENCE_MISMATCH) return undefined;
    const actual = Number(detail.actualLastSequence);
    this.positions.learn(actual, space, detail.segment);
    return { is: "refused", segment: detail.segment, actual };
  }

  /** Reads a space, or one of its segments, to its head. */
  async read(target: Target, segment: string | undefined, from: number): Promise<ReadEvent> {
    const start = performance.now();
    const call = await this.#unary("read", target, this.requests.read(target.space, segment, from, false));
    const complete = call.ended && call.failure === undefined;
    const entries = entriesOf(call.responses);
    return this.#recorded(readEvent(start, target, segment, { from, complete, entries }));
  }

  /**
   * Reads like `read`, and repeats the read until it is complete.
   *
   * @throws Error if no attempt is complete
   */
  async readSurely(target: Target, segment: string | undefined, from: number): Promise<ReadEvent> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const read = await this.read(target, segment, from);
      if (read.complete) return read;
      await setTimeout(PAUSE_MILLIS);
    }
    const what = segment === undefined ? target.space : `${segment} of ${target.space}`;
    throw new Error(`instance ${target.instance} does not deliver ${what}, although all trouble is over`);
  }

  /** Peeks at the last entry of a segment, and records it as a read that begins with it. */
  async peek(target: Target, segment: string): Promise<void> {
    const start = performance.now();
    const call = await this.#unary("peek", target, this.requests.peek(target.space, segment));
    if (call.responses.length === 0) return;
    const entries = entriesOf(call.responses);
    const from = entries[0]?.sequence ?? 1;
    this.#recorded(readEvent(start, target, segment, { from, complete: true, entries }));
  }

  async status(target: Target, segment: string): Promise<void> {
    const start = performance.now();
    const call = await this.#unary("status", target, this.requests.status(target.space, segment));
    const [response] = call.responses;
    if (response?.case !== "getSegmentStatus") return;
    const { firstSequence = 0n, lastSequence = 0n } = response.value.status ?? {};
    const positions = { firstSequence: Number(firstSequence), lastSequence: Number(lastSequence) };
    this.#recorded({ kind: "status", ...timed(start, target), segment, ...positions });
  }

  /** Trims once. A trim without an answer is not repeated, because a later trim covers it. */
  async trim(target: Target, segment: string, before: number): Promise<void> {
    const start = performance.now();
    const call = await this.#unary("trim", target, this.requests.trim(target.space, segment, before));
    this.#recorded({ kind: "trim", ...timed(start, target), segment, before, acked: call.responses.length > 0 });
  }

  /** Starts a call that stays open: a follow or a Produce session. */
  open({ actor, instance }: Target, request: Request, deadlineMillis?: number): Promise<LiveCall> {
    return this.#session.call(actor, request, {
      instance,
      ...(deadlineMillis === undefined ? {} : { deadlineMillis }),
    });
  }

  send(call: LiveCall, request: ProduceRequest): void {
    this.#session.send(call, request);
  }

  closeSend(call: LiveCall): void {
    this.#session.closeSend(call);
  }

  cancel(call: LiveCall): void {
    this.#session.cancel(call);
  }

  /** Records the failure of an ended call, unless trouble explains it. */
  ended(call: LiveCall, what: string, target: Target, start: number): void {
    const { failure } = call;
    if (failure === undefined) return;
    const [detail] = failure.details;
    const isExplained = detail ? EXPLAINED.has(detail.reason) : (this.#bareCodes?.has(failure.code) ?? true);
    if (isExplained) return;
    const reason = detail ? (ErrorReason[detail.reason] ?? String(detail.reason)) : failure.code;
    const where = `${what} at instance ${target.instance}`;
    this.#recorded({ kind: "failure", ...timed(start, target), what: where, reason, message: failure.message });
  }

  async #unary(what: string, target: Target, request: Request): Promise<LiveCall> {
    const start = performance.now();
    const call = await this.open(target, request, this.callMillis);
    // ERR-010: the deadline must end the call. A client that ignores the deadline must not stop the workload.
    if (!(await call.until(() => call.ended, 2 * this.callMillis))) this.cancel(call);
    this.ended(call, what, target, start);
    return call;
  }

  #recorded<E extends Event>(event: E): E {
    this.#record(event);
    return event;
  }
}

/** Returns the event of a read that ends now. */
export function readEvent(
  start: number,
  target: Target,
  segment: string | undefined,
  what: { readonly from: number; readonly complete: boolean; readonly entries: readonly ReadEntry[] },
): ReadEvent {
  const event = { kind: "read", ...timed(start, target), ...what } as const;
  return segment === undefined ? event : { ...event, segment };
}

function timed(start: number, { space, instance }: Target) {
  return { start, end: performance.now(), space, instance };
}
