/**
 * What Azure states for table storage (learn.microsoft.com, "Scalability and performance targets for Table storage").
 * Both rates assume entities of 1 KiB, and are targets: a partition or account may take more, or less with larger
 * entities.
 */
export const AZURE = {
  /** Entities that one partition takes in a second: one space. */
  partitionEntitiesPerSecond: 2_000,
  /** Requests that one account takes in a second. */
  accountRequestsPerSecond: 20_000,
  /** What an entity is assumed to be, in bytes. */
  entityBytes: 1_024,
} as const;
