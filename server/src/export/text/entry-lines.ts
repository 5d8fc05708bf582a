import { fromBinary } from "@bufbuild/protobuf";
import { RecordSchema } from "@streamkit/protocol";
import { WireReader } from "@streamkit/protocol/wire";
import type { EncodedBatch } from "../../engine/rows/batch.ts";
import { uuidOf } from "../../engine/rows/transaction-id.ts";
import { readExport } from "../read-export.ts";
import { type PayloadForm, payloadOf } from "./payload.ts";

/** One entry, as lines show it. */
interface ShownEntry {
  readonly storeId: string;
  readonly batch: EncodedBatch;
  readonly sequence: number;
  readonly offset: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

/** Formats of lines: the fields of Streamkit, or CloudEvents 1.0 in JSON. */
export type LineFormat = "ndjson" | "cloudevents";

/**
 * Turns the file of an export into lines of JSON, one per entry, in the order of the file.
 *
 * @param source the bytes of the file
 * @throws ExportFileError
 */
export async function* entryLines(
  source: AsyncIterable<Uint8Array>,
  format: LineFormat,
  form: PayloadForm,
): AsyncGenerator<Uint8Array, void, undefined> {
  const toLine = format === "ndjson" ? streamkitLine : cloudEvent;
  let storeId = "";
  for await (const item of readExport(source)) {
    if (item.kind === "header") storeId = item.origin.storeId;
    if (item.kind !== "entries") continue;
    let lines = "";
    for (const batch of item.batches) {
      for (const entry of entriesOf(storeId, batch)) lines += `${JSON.stringify(toLine(entry, form))}\n`;
    }
    yield Buffer.from(lines);
  }
}

function* entriesOf(storeId: string, batch: EncodedBatch): Generator<ShownEntry, void, undefined> {
  const reader = new WireReader(batch.pieces[1]);
  for (let index = 0; reader.more; index++) {
    reader.tag();
    const { payload, metadata } = fromBinary(RecordSchema, reader.bytes());
    const { firstSequence, firstOffset } = batch;
    yield { storeId, batch, sequence: firstSequence + index, offset: firstOffset + index, metadata, payload };
  }
}

function streamkitLine({ batch, sequence, offset, metadata, payload }: ShownEntry, form: PayloadForm): object {
  return {
    space: batch.space,
    segment: batch.segment,
    sequence,
    offset,
    time: timeText(batch.commitTimeMicros),
    transaction: uuidOf(batch.transactionId),
    number: batch.transactionNumber,
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...payloadOf(payload, form),
  };
}

/** The type of events without a metadata value "type". */
const EVENT_TYPE = "streamkit.entry";

/** An event of CloudEvents 1.0. Source and id together name the entry: the space of a store, and the offset. */
function cloudEvent({ storeId, batch, sequence, offset, metadata, payload }: ShownEntry, form: PayloadForm): object {
  const shown = payloadOf(payload, form);
  const contentType = metadata["content-type"] ?? ("json" in shown ? "application/json" : undefined);
  return {
    specversion: "1.0",
    id: String(offset),
    source: `/${storeId}/${encodeURIComponent(batch.space)}`,
    type: metadata.type || EVENT_TYPE,
    subject: batch.segment,
    time: timeText(batch.commitTimeMicros),
    ...(contentType && { datacontenttype: contentType }),
    sequence: String(sequence),
    transactionid: uuidOf(batch.transactionId),
    ...(metadata.traceparent && { traceparent: metadata.traceparent }),
    ...(metadata.tracestate && { tracestate: metadata.tracestate }),
    ...("base64" in shown ? { data_base64: shown.base64 } : { data: "json" in shown ? shown.json : shown.text }),
  };
}

/** RFC 3339 with microseconds. */
function timeText(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = String(micros - seconds * 1_000_000).padStart(6, "0");
  return new Date(seconds * 1_000).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}
