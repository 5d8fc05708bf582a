/**
 * The limits of Azure Table Storage (learn.microsoft.com, "Understanding the Table service data model", "Performing
 * entity group transactions"), and the room that they leave for the engine. Our code enforces them, since the emulator
 * enforces few of them.
 */
import type { StorageLimits } from "../port.ts";

/** Bytes of one binary property. */
export const MAX_PROPERTY_BYTES = 64 * 1024;

/**
 * Bytes of a value in one entity. The limit of an entity is 1 MiB. 11 properties stay below it even as base64, which is
 * how Azurite (3.37) measures an entity.
 */
export const MAX_ENTITY_VALUE_BYTES = 11 * MAX_PROPERTY_BYTES;

/** Operations in one transaction. */
export const MAX_TRANSACTION_OPERATIONS = 100;

/** Bytes of the body of a transaction. */
export const MAX_TRANSACTION_BYTES = 4 * 1024 * 1024;

/**
 * The limits for the engine. 2.5 MiB become 3.3 MiB as base64. The remaining part of the 4 MiB is for names and keys of
 * up to 100 operations, which a request holds twice and escaped. 10 of the 100 operations are reserved for the rests of
 * long values, new and old.
 */
export const limits: StorageLimits = {
  maxOperations: 90,
  maxBatchBytes: 2.5 * 1024 * 1024,
  maxValueBytes: 2 * MAX_ENTITY_VALUE_BYTES,
  // A request costs milliseconds and money; a second copy in a request that is sent anyway costs next to nothing.
  referenceThresholdBytes: Number.POSITIVE_INFINITY,
};
