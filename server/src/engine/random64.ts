import { randomBytes } from "node:crypto";

/** A number of 64 random bits. */
export function random64(): bigint {
  return randomBytes(8).readBigUInt64LE();
}
