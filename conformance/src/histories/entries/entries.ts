import type { EntryBatch } from "@streamkit/protocol";
import type { Response } from "@streamkit/protocol/conformance";
import { batchesOf } from "../../suite/expect/observed.ts";
import type { ReadEntry } from "./event.ts";

/** Converts the entries of responses into plain values. */
export function entriesOf(responses: readonly Response["message"][]): ReadEntry[] {
  return responses.flatMap((response) => batchesOf(response).flatMap(toEntries));
}

function toEntries(batch: EntryBatch): ReadEntry[] {
  const micros = microsOf(batch.commitTime);
  return batch.records.map((record, index) => ({
    segment: batch.segment,
    sequence: Number(batch.firstSequence) + index,
    offset: Number(batch.firstOffset) + index,
    payload: Buffer.from(record.payload).toString(),
    transactionId: batch.transaction?.id ?? "",
    number: Number(batch.transaction?.number ?? 0n),
    micros,
  }));
}

export function microsOf(time: EntryBatch["commitTime"]): number {
  return Number(time?.seconds ?? 0n) * 1_000_000 + Math.floor((time?.nanos ?? 0) / 1_000);
}
