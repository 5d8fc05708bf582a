import { setTimeout } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  AppendRequestSchema,
  ConsumeSegmentRequestSchema,
  ConsumeSpaceRequestSchema,
  type EntryBatch,
} from "@streamkit/protocol";
import { type Request, RequestSchema } from "@streamkit/protocol/conformance";
import { batchesOf } from "../expect/observed.ts";
import type { LiveCall } from "../run/live-call.ts";
import type { Session } from "../run/session.ts";
import type { AppendEvent, Event, ReadEntry, ReadEvent } from "./event.ts";
import type { Plan, PlannedAppend, PlannedRead } from "./plan.ts";

/** How long a call may take before its outcome counts as unknown, in milliseconds. */
const CALL_MILLIS = 5_000;
/** Attempts of an append whose outcome is unknown; the same transaction id each time. */
const ATTEMPTS = 8;

/** Runs a plan against a server and records what happened. */
export async function runPlan(plan: Plan, session: Session): Promise<Event[]> {
  const history: Event[] = [];
  const run = new Workload(plan, session, history);
  const stop = new AbortController();
  const followers = plan.followers.map((follower, index) => run.follow(`follower-${index}`, follower, stop.signal));
  const killing = (async () => {
    for (const millis of plan.kills) {
      await setTimeout(millis);
      await session.act("kill");
    }
  })();
  await Promise.all([
    ...plan.writers.map((appends, index) => run.write(`writer-${index}`, appends)),
    ...plan.readers.map((reads, index) => run.read(`reader-${index}`, reads)),
    killing,
  ]);
  await run.finalRead();
  stop.abort();
  await Promise.all(followers);
  return history;
}

class Workload {
  readonly #plan: Plan;
  readonly #session: Session;
  readonly #history: Event[];
  /** Highest position known per segment, and of the space under "". Shared: what one client learned, another may use. */
  readonly #known = new Map<string, number>();

  constructor(plan: Plan, session: Session, history: Event[]) {
    this.#plan = plan;
    this.#session = session;
    this.#history = history;
  }

  async write(actor: string, appends: readonly PlannedAppend[]): Promise<void> {
    for (const append of appends) {
      const first = append.parts[0]!;
      const expected = append.conditional ? (this.#known.get(first.segment) ?? 0) : undefined;
      const parts = append.parts.map((part, index) => ({
        ...part,
        ...(index === 0 && expected !== undefined ? { expected } : {}),
      }));
      const event = await this.#append(actor, append.transactionId, parts);
      this.#history.push(event);
      // A second call after the answer: it must find the first, and change nothing. Checked by what is there in the end.
      if (append.repeat && event.outcome.is === "acked") await this.#append(actor, append.transactionId, parts);
    }
  }

  async read(actor: string, reads: readonly PlannedRead[]): Promise<void> {
    for (const read of reads) {
      const from = 1 + Math.floor((this.#known.get(read.segment ?? "") ?? 0) * read.start);
      this.#history.push(await this.#readOnce(actor, read.segment, from));
      await setTimeout(5);
    }
  }

  /** Follows until the signal; begins anew at the next position when the stream breaks (ORD-007). */
  async follow(actor: string, { segment }: PlannedRead, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const entries: ReadEntry[] = [];
    while (!signal.aborted) {
      const from = nextPosition(entries, segment);
      const call = await this.#session.call(actor, this.#readRequest(segment, from, true));
      while (!call.ended && !signal.aborted) await call.until(() => call.ended || signal.aborted, 20);
      if (!call.ended) this.#session.cancel(call);
      entries.push(...entriesOf(call));
      await setTimeout(10);
    }
    this.#history.push(this.#readEvent(start, segment, 1, false, entries));
  }

  async finalRead(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const event = await this.#readOnce("final", undefined, 1);
      this.#history.push(event);
      if (event.complete) return;
    }
  }

  async #append(actor: string, transactionId: string, parts: AppendEvent["parts"]): Promise<AppendEvent> {
    const start = performance.now();
    const { store, space } = this.#plan;
    const request = create(AppendRequestSchema, {
      storeId: store,
      space,
      transactionId,
      appends: parts.map(({ segment, payloads, expected }) => ({
        segment,
        records: payloads.map((payload) => ({ payload: Buffer.from(payload) })),
        ...(expected === undefined ? {} : { expectedLastSequence: BigInt(expected) }),
      })),
    });
    let outcome: AppendEvent["outcome"] = { is: "unknown" };
    for (let attempt = 0; attempt < ATTEMPTS && outcome.is === "unknown"; attempt++) {
      const call = await this.#session.call(
        actor,
        create(RequestSchema, { message: { case: "append", value: request } }),
      );
      await call.until(() => call.ended, CALL_MILLIS);
      outcome = this.#outcome(call);
      if (outcome.is === "unknown") await setTimeout(150);
    }
    return { kind: "append", start, end: performance.now(), space, transactionId, parts, outcome };
  }

  #outcome(call: LiveCall): AppendEvent["outcome"] {
    const response = call.responses[0];
    if (response?.case === "append") {
      const { ranges, transaction } = response.value;
      for (const range of ranges) {
        this.#learn(range.segment, Number(range.lastSequence));
        this.#learn("", Number(range.firstOffset + range.lastSequence - range.firstSequence));
      }
      const acked = ranges.map(({ segment, firstSequence, firstOffset }) => ({
        segment,
        firstSequence: Number(firstSequence),
        firstOffset: Number(firstOffset),
      }));
      return { is: "acked", number: Number(transaction?.number ?? 0n), ranges: acked };
    }
    const detail = call.failure?.details[0];
    if (call.failure?.code !== "FAILED_PRECONDITION" || detail === undefined) return { is: "unknown" };
    this.#learn(detail.segment, Number(detail.actualLastSequence));
    return { is: "refused", segment: detail.segment, actual: Number(detail.actualLastSequence) };
  }

  async #readOnce(actor: string, segment: string | undefined, from: number): Promise<ReadEvent> {
    const start = performance.now();
    const call = await this.#session.call(actor, this.#readRequest(segment, from, false));
    const ended = await call.until(() => call.ended, CALL_MILLIS);
    return this.#readEvent(start, segment, from, ended && call.failure === undefined, entriesOf(call));
  }

  #readRequest(segment: string | undefined, from: number, follow: boolean): Request {
    const { store: storeId, space } = this.#plan;
    const position = BigInt(from);
    const value =
      segment === undefined
        ? create(ConsumeSpaceRequestSchema, { storeId, space, minOffset: position, follow })
        : create(ConsumeSegmentRequestSchema, { storeId, space, segment, minSequence: position, follow });
    const kind = segment === undefined ? "consumeSpace" : "consumeSegment";
    return create(RequestSchema, { message: { case: kind, value } as Request["message"] });
  }

  #readEvent(
    start: number,
    segment: string | undefined,
    from: number,
    complete: boolean,
    entries: ReadEntry[],
  ): ReadEvent {
    const { space } = this.#plan;
    const event = { kind: "read", start, end: performance.now(), space, from, complete, entries } as const;
    return segment === undefined ? event : { ...event, segment };
  }

  #learn(segment: string, position: number): void {
    this.#known.set(segment, Math.max(position, this.#known.get(segment) ?? 0));
  }
}

function entriesOf(call: LiveCall): ReadEntry[] {
  return call.responses.flatMap((response) => batchesOf(response).flatMap(toEntries));
}

function toEntries(batch: EntryBatch): ReadEntry[] {
  const time = batch.commitTime;
  const micros = Number(time?.seconds ?? 0n) * 1_000_000 + Math.floor((time?.nanos ?? 0) / 1_000);
  return batch.records.map((record, index) => ({
    segment: batch.segment,
    sequence: Number(batch.firstSequence) + index,
    offset: Number(batch.firstOffset) + index,
    payload: Buffer.from(record.payload).toString(),
    transactionId: batch.transaction?.id ?? "",
    micros,
  }));
}

function nextPosition(entries: readonly ReadEntry[], segment: string | undefined): number {
  const last = entries.at(-1);
  if (last === undefined) return 1;
  return 1 + (segment === undefined ? last.offset : last.sequence);
}
