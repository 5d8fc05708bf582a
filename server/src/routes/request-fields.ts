import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { LIMITS } from "@streamkit/protocol";
import { checkName } from "../engine/names.ts";
import { ALL, type Selection } from "../engine/read/consume.ts";
import { invalidField } from "../errors.ts";
import { checkAll, checkEach } from "./checks.ts";

const DEFAULT_HEARTBEAT_MILLIS = 15_000;

/** Returns a uint64 as a number. Values above 2^53 - 1, which no log reaches, become 2^53 - 1. */
export function toPosition(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

/**
 * Returns a time in microseconds since 1970. The caller rounds nanoseconds up for a lower bound and down for an upper
 * bound.
 */
function toMicros(time: Timestamp, field: string, round: (value: number) => number): number {
  const seconds = Number(time.seconds);
  if (seconds < -62_135_596_800 || seconds > 253_402_300_799 || time.nanos < 0 || time.nanos > 999_999_999) {
    throw invalidField(field, "is out of range; expected a time from year 1 to 9999, with nanos from 0 to 999,999,999");
  }
  // Commits have no times after 2^53 microseconds, in the year 2255.
  return Math.min(Number.MAX_SAFE_INTEGER, seconds * 1_000_000 + round(time.nanos / 1_000));
}

/** Bounds of a duration in milliseconds, and their text for errors. */
export interface SpanLimits {
  readonly min: number;
  readonly max: number;
  readonly expected: string;
}

/**
 * Returns a duration in milliseconds.
 *
 * @throws ServerError INVALID_FIELD if the duration is outside the limits
 */
export function toMillis(span: Duration, field: string, { min, max, expected }: SpanLimits): number {
  const millis = Number(span.seconds) * 1_000 + span.nanos / 1_000_000;
  if (millis < min || millis > max) throw invalidField(field, `is ${millis} ms; expected ${expected}`);
  return millis;
}

const HEARTBEAT_LIMITS = {
  min: LIMITS.minHeartbeatMillis,
  max: LIMITS.maxHeartbeatMillis,
  expected: "100 ms to 1 h",
};

/** Returns the interval between heartbeats in milliseconds. Default 15,000. */
export function toHeartbeatMillis(interval: Duration | undefined): number {
  if (interval === undefined) return DEFAULT_HEARTBEAT_MILLIS;
  return toMillis(interval, "heartbeat_interval", HEARTBEAT_LIMITS);
}

/** The fields that all consume requests have. */
export interface ConsumeFields {
  readonly minTime?: Timestamp;
  readonly maxTime?: Timestamp;
  readonly limit: bigint;
  readonly follow: boolean;
  readonly heartbeatInterval?: Duration;
}

/** Positions of a consume request, and the noun in the names of their fields. */
export interface PositionFields {
  readonly min: bigint;
  readonly max: bigint;
  readonly last: bigint;
  readonly noun: "sequence" | "offset";
}

/**
 * Checks the bounds of a consume request. A bound of 0 means no bound.
 *
 * @throws ServerError INVALID_FIELD with all violations
 */
export function toSelection(request: ConsumeFields, positions: PositionFields): Selection {
  const { min, max, last, noun } = positions;
  const { minTimeMicros, maxTimeMicros, heartbeatMillis } = checkAll({
    bounds: () => {
      if (max > 0n && min > max) throw invalidField(`max_${noun}`, `is ${max}; expected at least min_${noun} = ${min}`);
    },
    minTimeMicros: () => (request.minTime === undefined ? 0 : toMicros(request.minTime, "min_time", Math.ceil)),
    maxTimeMicros: () =>
      request.maxTime === undefined ? ALL.maxTimeMicros : toMicros(request.maxTime, "max_time", Math.floor),
    heartbeatMillis: () => toHeartbeatMillis(request.heartbeatInterval),
  });
  if (minTimeMicros > maxTimeMicros)
    throw invalidField("max_time", "is before min_time; expected a time at or after it");
  return {
    min: Math.max(1, toPosition(min)),
    max: max === 0n ? ALL.max : toPosition(max),
    minTimeMicros: Math.max(0, minTimeMicros),
    maxTimeMicros,
    limit: request.limit === 0n ? ALL.limit : toPosition(request.limit),
    last: toPosition(last),
    follow: request.follow,
    heartbeatMillis,
  };
}

/** Checks the number and the names of the spaces in a map. */
export function checkSpaces(map: Readonly<Record<string, bigint>>, field: string): void {
  const spaces = Object.keys(map);
  if (spaces.length === 0 || spaces.length > LIMITS.maxConsumeSpaces) {
    throw invalidField(field, `has ${spaces.length} spaces; expected 1 to ${LIMITS.maxConsumeSpaces}`);
  }
  checkEach(spaces, (space) => checkName(space, field));
}
