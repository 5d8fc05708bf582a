import { randomBytes } from "node:crypto";

/** Returns 64 random bits. */
export function random64(): bigint {
  return randomBytes(8).readBigUInt64LE();
}
