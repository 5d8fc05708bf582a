import { invalidArgument } from "./errors/error.ts";

/**
 * A sequence, an offset, or a number of entries. The client takes `number` and `bigint`, and returns `number`, which is
 * exact up to 2^53: 285 years at a million entries per second.
 */
export type Position = number | bigint;

/** Space -> an offset in it. */
export type SpaceOffsets = ReadonlyMap<string, number>;

/** The wire form of a position; 0 for `undefined`. */
export function toWirePosition(field: string, position: Position | undefined): bigint {
  if (position === undefined) return 0n;
  if (typeof position === "number" && !Number.isSafeInteger(position)) {
    throw invalidArgument(field, "must be a whole number of at most 2^53 - 1");
  }
  if (position < 0) throw invalidArgument(field, "must not be negative");
  if (position >= 2n ** 64n) throw invalidArgument(field, "must be at most 2^64 - 1");
  return BigInt(position);
}

/** `toWirePosition` as a number, for arithmetic. */
export function toPosition(field: string, position: Position | undefined): number {
  const value = Number(toWirePosition(field, position));
  if (!Number.isSafeInteger(value)) throw invalidArgument(field, "must be at most 2^53 - 1");
  return value;
}

/** `toWirePosition` for fields whose absence means something other than 0: `undefined` stays `undefined`. */
export function optionalPosition(field: string, position: Position | undefined): bigint | undefined {
  return position === undefined ? undefined : toWirePosition(field, position);
}
