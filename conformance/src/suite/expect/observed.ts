import { type DescMessage, type JsonObject, type JsonValue, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { type EntryBatch, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import type { Response } from "@streamkit/protocol/conformance";
import { type Failure, ResponseSchema } from "@streamkit/protocol/conformance";
import { Roster } from "./roster.ts";
import { Statuses } from "./statuses.ts";

/** One entry as a reader received it. */
export interface ObservedEntry {
  readonly space: string;
  readonly segment: string;
  readonly sequence: bigint;
  readonly offset: bigint;
  readonly payload: string;
  readonly transaction: string;
  readonly time: string;
}

/** The observation of a step in the form that expectations are compared with. Field names are those of the protos. */
export interface Observed {
  readonly responses: readonly JsonObject[];
  readonly response: JsonObject | undefined;
  readonly error: ObservedError | undefined;
  /** Bytes of the largest response in its binary form; 0 without a response. */
  readonly largestResponse: number;
  readonly entries: readonly ObservedEntry[];
  /** Number of batches without records. The specification allows none (SEG-015). */
  readonly emptyBatches: number;
  /** All statuses of a status subscription since its start. */
  readonly statuses: Statuses;
  /** All workers of a worker subscription since its start. */
  readonly roster: Roster;
  readonly ended: boolean;
}

export interface ObservedError {
  readonly code: string;
  readonly message: string;
  /** Number of details; the specification requires one. */
  readonly details: number;
  readonly detail: JsonObject | undefined;
  /** Reason without prefix; empty without a detail. */
  readonly reason: string;
}

const JSON_OPTIONS = { useProtoFieldName: true, alwaysEmitImplicit: true } as const;

/**
 * Converts the responses and the end of a call into an observation.
 *
 * @param told the statuses and workers of all responses since the start of the call
 */
export function observe(
  responses: readonly Response["message"][],
  failure: Failure | undefined,
  ended: boolean,
  told: Pick<Observed, "statuses" | "roster"> = { statuses: new Statuses(), roster: new Roster() },
): Observed {
  const json = responses.map(responseJson);
  const batches = responses.flatMap(batchesOf);
  const entries = batches.flatMap(toEntries);
  const error = failure && toError(failure);
  const { statuses, roster } = told;
  return {
    responses: json,
    response: json.at(-1),
    error,
    // Computed on demand, because few cases need it.
    get largestResponse() {
      return Math.max(0, ...responses.map(responseBytes));
    },
    entries,
    emptyBatches: batches.filter(({ records }) => records.length === 0).length,
    statuses,
    roster,
    ended,
  };
}

/** Bytes of a response in its binary form. */
function responseBytes(response: Response["message"]): number {
  if (response.case === undefined) return 0;
  if (response.case === "other") return response.value.length;
  return toBinary(schemaOf(response.case), response.value as Message).length;
}

function schemaOf(name: string): DescMessage {
  return ResponseSchema.fields.find((each) => each.localName === name)!.message!;
}

/** True for a response that carries no news. */
export function isHeartbeat(response: Response["message"]): boolean {
  if (response.case === "subscribeToSegmentStatus") return response.value.event.case === "heartbeat";
  if (response.case === "subscribeToWorkers") return response.value.event.case === "heartbeat";
  return batchesOf(response).length === 0;
}

/** Returns the batches of a response; none if its type has no batches. */
export function batchesOf(response: Response["message"]): readonly EntryBatch[] {
  switch (response.case) {
    case "consumeSegment":
    case "consumeSpace":
    case "consume":
    case "readSegment":
    case "readSpace":
      return response.value.batches;
    case "peek":
      return response.value.entry === undefined ? [] : [response.value.entry];
    default:
      return [];
  }
}

/** Converts a response into its JSON form. */
export function responseJson(response: Response["message"]): JsonObject {
  if (response.case === undefined || response.case === "other") return {};
  const batches = batchesOf(response);
  const json = toJson(schemaOf(response.case), withoutRecords(response), JSON_OPTIONS) as JsonObject;
  const places = response.case === "peek" ? [json.entry] : json.batches;
  for (const [index, batch] of batches.entries()) {
    ((places as JsonObject[])[index] as JsonObject).records = batch.records.map(recordJson);
  }
  return json;
}

/** Writes records by hand: the library encodes base64 byte by byte, which takes seconds for a large response. */
function recordJson(record: EntryBatch["records"][number]): JsonObject {
  return { payload: Buffer.from(record.payload).toString("base64"), metadata: { ...record.metadata } };
}

function withoutRecords(response: Response["message"]): Message {
  const bare = (batch: EntryBatch): EntryBatch => ({ ...batch, records: [] });
  switch (response.case) {
    case "consumeSegment":
    case "consumeSpace":
    case "consume":
    case "readSegment":
    case "readSpace":
      return { ...(response.value as object), batches: response.value.batches.map(bare) } as never;
    case "peek":
      return (
        response.value.entry === undefined ? response.value : { ...response.value, entry: bare(response.value.entry) }
      ) as never;
    default:
      return response.value as Message;
  }
}

function toEntries(batch: EntryBatch): ObservedEntry[] {
  const time = batch.commitTime === undefined ? "" : `${batch.commitTime.seconds}.${pad(batch.commitTime.nanos)}`;
  return batch.records.map((record, index) => ({
    space: batch.space,
    segment: batch.segment,
    sequence: batch.firstSequence + BigInt(index),
    offset: batch.firstOffset + BigInt(index),
    payload: Buffer.from(record.payload).toString(),
    transaction: batch.transaction?.id ?? "",
    time,
  }));
}

function pad(nanos: number): string {
  return String(nanos).padStart(9, "0");
}

function toError(failure: Failure): ObservedError {
  const first = failure.details[0];
  return {
    code: failure.code,
    message: failure.message,
    details: failure.details.length,
    detail: first && (toJson(ErrorDetailSchema, first, JSON_OPTIONS) as Record<string, JsonValue>),
    reason: first === undefined ? "" : (ErrorReason[first.reason] ?? String(first.reason)),
  };
}
