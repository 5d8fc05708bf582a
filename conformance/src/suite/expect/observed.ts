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

/** What a step observed, in the form that expectations are compared with. Field names are those of the protos. */
export interface Observed {
  readonly responses: readonly JsonObject[];
  readonly response: JsonObject | undefined;
  readonly error: ObservedError | undefined;
  /** Bytes of the largest response in its binary form; 0 when there was none. */
  readonly largestResponse: number;
  readonly entries: readonly ObservedEntry[];
  /** Of a status subscription, since it began. */
  readonly statuses: Statuses;
  /** Of a subscription to workers, since it began. */
  readonly roster: Roster;
  readonly ended: boolean;
}

export interface ObservedError {
  readonly code: string;
  readonly message: string;
  /** How many details there were; the spec wants one. */
  readonly details: number;
  readonly detail: JsonObject | undefined;
  /** Without prefix; empty when there was no detail. */
  readonly reason: string;
}

const JSON_OPTIONS = { useProtoFieldName: true, alwaysEmitImplicit: true } as const;

/**
 * Turns responses and the end of a call into what expectations look at.
 *
 * @param told what every response since the call began tells
 */
export function observe(
  responses: readonly Response["message"][],
  failure: Failure | undefined,
  ended: boolean,
  told: Pick<Observed, "statuses" | "roster"> = { statuses: new Statuses(), roster: new Roster() },
): Observed {
  const json = responses.map(responseJson);
  const entries = responses.flatMap((each) => batchesOf(each).flatMap(toEntries));
  const error = failure && toError(failure);
  const { statuses, roster } = told;
  return {
    responses: json,
    response: json.at(-1),
    error,
    // Few cases look at it.
    get largestResponse() {
      return Math.max(0, ...responses.map(responseBytes));
    },
    entries,
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

/** True for a response that only shows that its stream lives. */
export function isHeartbeat(response: Response["message"]): boolean {
  if (response.case === "subscribeToSegmentStatus") return response.value.event.case === "heartbeat";
  if (response.case === "subscribeToWorkers") return response.value.event.case === "heartbeat";
  return batchesOf(response).length === 0;
}

/** The batches of any response that has them. */
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

/** A response in its JSON form. */
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

/** The library writes base64 byte by byte, which took seconds for large responses; records are written here instead. */
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
