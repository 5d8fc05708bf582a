import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Worker } from "@streamkit/protocol";
import {
  WorkerGroupHeadSchema,
  WorkerHostSchema,
  type WorkerRecord,
  WorkerRecordSchema,
  WorkerRenewalSchema,
} from "@streamkit/protocol/storage";
import { random64 } from "../../random64.ts";
import { decodeWith, frameRow } from "../../rows/row-frame.ts";

/** Encodes the rows of a group of workers; see proto/streamkit/storage/v1/coordination.proto. */
export function encodeGroupHead(): Uint8Array[] {
  return frameRow([toBinary(WorkerGroupHeadSchema, create(WorkerGroupHeadSchema, { mark: random64() }))]);
}

/** A server instance that has workers. */
export interface WorkerHost {
  readonly intervalMillis: number;
  /** Microseconds since 1970. */
  readonly beatTimeMicros: number;
}

export function encodeHost({ intervalMillis, beatTimeMicros }: WorkerHost): Uint8Array[] {
  const message = create(WorkerHostSchema, {
    intervalMillis: BigInt(intervalMillis),
    beatTime: BigInt(beatTimeMicros),
  });
  return frameRow([toBinary(WorkerHostSchema, message)]);
}

export function decodeHost(value: Uint8Array): WorkerHost {
  const message = decodeWith(value, "host of workers", (bytes) => fromBinary(WorkerHostSchema, bytes));
  return { intervalMillis: Number(message.intervalMillis), beatTimeMicros: Number(message.beatTime) };
}

/** A record with its worker, as every stored record has. */
export type StoredRecord = WorkerRecord & { readonly worker: Worker };

/** The facts that a worker registers with. */
export interface Registrant {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly intervalMillis: number;
  /** Principal that the worker is bound to. Default: none. */
  readonly owner?: string;
}

/** @param now microseconds since 1970 */
export function makeRecord(
  { id, metadata, intervalMillis, owner = "" }: Registrant,
  host: Uint8Array,
  now: number,
): StoredRecord {
  return create(WorkerRecordSchema, {
    worker: {
      id,
      metadata: { ...metadata },
      joinTime: timestampFromMs(Math.floor(now / 1_000)),
      // 0 is the value of an absent field.
      registration: random64() || 1n,
    },
    host,
    intervalMillis: BigInt(intervalMillis),
    owner,
  }) as StoredRecord;
}

export function encodeWorker(record: WorkerRecord): Uint8Array[] {
  return frameRow([toBinary(WorkerRecordSchema, record)]);
}

export function decodeWorker(value: Uint8Array): StoredRecord {
  return decodeWith(value, "worker", (bytes) => {
    const record = fromBinary(WorkerRecordSchema, bytes);
    if (record.worker === undefined) throw new Error("a record without a worker");
    return record as StoredRecord;
  });
}

/** A renewal of a registration. */
export function encodeRenewal(registration: bigint): Uint8Array[] {
  return frameRow([toBinary(WorkerRenewalSchema, create(WorkerRenewalSchema, { mark: random64(), registration }))]);
}

/** The registration that a renewal belongs to. */
export function decodeRenewal(value: Uint8Array): bigint {
  return decodeWith(value, "renewal of a worker", (bytes) => fromBinary(WorkerRenewalSchema, bytes)).registration;
}
