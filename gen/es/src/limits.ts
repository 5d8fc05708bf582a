/** The limits of protocol version 1, the same on every backend. Meaning and units: proto/streamkit/v1/limits.proto. */
export const LIMITS = {
  maxNameBytes: 255,
  maxRecordBytes: 1_048_576,
  maxTransactionRecords: 1_000,
  maxTransactionBytes: 1_048_576,
  maxTransactionEncodedBytes: 1_179_648,
  maxTransactionSegments: 32,
  maxPageSize: 1_000,
  maxConsumeSpaces: 64,
  minHeartbeatMillis: 100,
  maxHeartbeatMillis: 3_600_000,
  maxWorkerMetadataBytes: 4_096,
  maxResponseBytes: 3_145_728,
  maxRequestBytes: 8_388_608,
  maxSmallRequestBytes: 131_072,
  maxGroupWorkers: 4_096,
  maxGroupBytes: 8_388_608,
} as const;
