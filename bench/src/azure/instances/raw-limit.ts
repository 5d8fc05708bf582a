import type { Period, TransactionsJob } from "../../peers/peer.ts";
import { fromSample } from "../../tools/quantiles.ts";
import type { WireCounts } from "../counts/wire-counts.ts";
import type { DeployedInstance } from "./deployment.ts";

/** Size of a transaction. */
export interface TransactionSize {
  readonly operations: number;
  readonly bytes: number;
}

/** The average size of the counted transactions. */
export function sizeOf({ commits, rowsWritten, requestBytes }: WireCounts): TransactionSize {
  return { operations: Math.round(rowsWritten / commits), bytes: Math.round(requestBytes / commits) };
}

/** The capacity of the storage with only clients in front of it. */
export interface RawResult {
  readonly perSecond: number;
  /** Quantiles of the latency of a transaction, in milliseconds. */
  readonly transaction: readonly number[];
}

/** Lets clients send transactions of one size, each to partitions of its own. */
export async function measureRaw(
  instances: readonly DeployedInstance[],
  stream: string,
  inFlight: number,
  size: TransactionSize,
  period: Period,
): Promise<RawResult> {
  const job = (prefix: string, during: Period): TransactionsJob => ({
    ...{ stream, prefix, inFlight, ...size },
    period: during,
  });
  // Creates the table before the competition starts.
  await instances[0].raw.call({ operation: "transact", job: job("first", { warmUpMillis: 0, millis: 1 }) });
  const samples = await Promise.all(
    instances.map(({ raw }, index) => raw.call({ operation: "transact", job: job(`${index}`, period) })),
  );
  const total = samples.reduce((all, { count }) => all + count!, 0);
  return { perSecond: (total * 1_000) / period.millis, transaction: fromSample(samples[0], "transaction") };
}

/** Quantiles of the latencies of reads of `measureRaw`'s rows, in milliseconds. */
export async function measureRawReads({ raw }: DeployedInstance, stream: string, reads: number) {
  const sample = await raw.call({ operation: "readRows", job: { stream, prefix: "0", reads } });
  return { pointRead: fromSample(sample, "pointRead"), query: fromSample(sample, "query") };
}
