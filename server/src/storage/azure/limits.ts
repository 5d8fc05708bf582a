/**
 * What Azure Table Storage takes (learn.microsoft.com, "Understanding the Table service data model", "Performing entity
 * group transactions"), and what that leaves for the engine. The emulator enforces little of it, so our code does.
 */
import type { StorageLimits } from "../port.ts";

/** Bytes of one binary property. */
export const maxPropertyBytes = 64 * 1024;

/**
 * Bytes of a value in one entity, whose limit is 1 MiB. 11 properties stay below it as base64 too, which is how Azurite
 * (3.37) measures an entity.
 */
export const maxEntityValueBytes = 11 * maxPropertyBytes;

/** Operations in one transaction. */
export const maxTransactionOperations = 100;

/** Bytes of the body of a transaction. */
export const maxTransactionBytes = 4 * 1024 * 1024;

/**
 * 2.5 MiB are 3.3 MiB as base64; the rest of the 4 MiB is for names and keys of up to 100 operations, which are sent
 * twice and escaped. 10 of 100 operations are for what commits do besides: rests of long values, new and old.
 */
export const limits: StorageLimits = {
  maxOperations: 90,
  maxBatchBytes: 2.5 * 1024 * 1024,
  maxValueBytes: 2 * maxEntityValueBytes,
  // A request costs milliseconds and money; a second copy in a request that is sent anyway costs next to nothing.
  referenceThresholdBytes: Number.POSITIVE_INFINITY,
};
