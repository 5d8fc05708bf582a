/**
 * Azure's stated limits for table storage (learn.microsoft.com, "Scalability and performance targets for Table
 * storage"). Both rates assume entities of 1 KiB, and are targets: a partition or account may allow more, or less with
 * larger entities.
 */
export const AZURE = {
  /** Entities per second of one partition, which is one space. */
  partitionEntitiesPerSecond: 2_000,
  /** Requests per second of one account. */
  accountRequestsPerSecond: 20_000,
  /** Assumed size of an entity, in bytes. */
  entityBytes: 1_024,
} as const;
