import type { Workload } from "../harness/workload.ts";
import { bulkProduce } from "./w1-bulk-produce.ts";
import { bulkConsume } from "./w2-bulk-consume.ts";
import { appendLatency } from "./w3-append-latency.ts";
import { manyWriters } from "./w4-many-writers.ts";
import { liveLatency } from "./w5-live-latency.ts";
import { loadAggregates } from "./w6-load-aggregates.ts";
import { growth } from "./w7-growth.ts";
import { idleFollowers } from "./w8-idle-followers.ts";
import { storageCounts } from "./w9-storage-counts.ts";
import { severalInstances } from "./w10-instances.ts";
import { start } from "./w12-start.ts";
import { loadDecideSave } from "./w13-load-decide-save.ts";
import { authentication } from "./w14-authentication.ts";
import { memory } from "./w15-memory.ts";

/** All workloads, in the order of their execution. */
export const WORKLOADS: readonly Workload[] = [
  bulkProduce,
  bulkConsume,
  appendLatency,
  manyWriters,
  liveLatency,
  loadAggregates,
  growth,
  idleFollowers,
  storageCounts,
  severalInstances,
  start,
  loadDecideSave,
  authentication,
  memory,
];
