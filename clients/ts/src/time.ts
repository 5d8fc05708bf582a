import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { invalidArgument } from "./errors/error.ts";

/** A moment: a Date, or `micros` since 1970-01-01T00:00Z, the full precision of commit times. */
export type TimeInput = Date | { readonly micros: number };

/** Microseconds since 1970 of a protobuf timestamp; exact until the year 2255. */
export function timestampMicros(timestamp: { seconds: bigint; nanos: number }): number {
  return Number(timestamp.seconds) * 1_000_000 + Math.floor(timestamp.nanos / 1_000);
}

/** The Date of a protobuf timestamp, cut to milliseconds. */
export function timestampDate(timestamp: Timestamp): Date {
  return new Date(Math.floor(timestampMicros(timestamp) / 1_000));
}

/** The protobuf timestamp of a moment; `undefined` stays `undefined`. */
export function toTimestamp(field: string, time: TimeInput | undefined) {
  if (time === undefined) return undefined;
  if (time instanceof Date) {
    // The way over microseconds is exact until 2255 only.
    const millis = time.getTime();
    if (Number.isNaN(millis)) throw invalidArgument(field, "must be a valid time");
    const seconds = Math.floor(millis / 1_000);
    return { seconds: BigInt(seconds), nanos: (millis - seconds * 1_000) * 1_000_000 };
  }
  const { micros } = time;
  if (!Number.isSafeInteger(micros)) throw invalidArgument(field, "must be a valid time");
  const seconds = Math.floor(micros / 1_000_000);
  return { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1_000 };
}

/** The protobuf duration of a span in milliseconds; `undefined` stays `undefined`. */
export function toDuration(field: string, millis: number | undefined) {
  if (millis === undefined) return undefined;
  if (!Number.isFinite(millis)) throw invalidArgument(field, "must be a number of milliseconds");
  const seconds = Math.trunc(millis / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round((millis - seconds * 1_000) * 1_000_000) };
}

/** The milliseconds of a protobuf duration. */
export function durationMillis(duration: Duration): number {
  return Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}
