import type { Period, Sample } from "../../peers/peer.ts";
import { valueAt } from "../../tools/quantiles.ts";
import type { RequestKind } from "../simulation/scenario.ts";
import { type Cell, cellLabel, cellsOf, INSTANCES, rawLabel } from "./cell.ts";
import type { DeployedInstance } from "./deployment.ts";
import { measureCell } from "./measure-cell.ts";
import { measureRaw, measureRawReads, type RawResult, sizeOf, type TransactionSize } from "./raw-limit.ts";
import { untilMeasured } from "./until-measured.ts";

/** Concurrent transactions per process of the raw limit, enough to reach about the storage's maximum. */
const MANY_IN_FLIGHT = 8;
const READS = 30;

/** The result of one round with one delay. */
export interface RoundResult {
  /** A sample of each label, in the order of measuring. */
  readonly samples: ReadonlyMap<string, Sample>;
  readonly cells: ReadonlyMap<Cell, Sample>;
  /** Latency of requests without others, as quantiles in milliseconds. */
  readonly latency: Readonly<Record<RequestKind, readonly number[]>>;
  /** Maximum transactions per second of the storage; `undefined` with a delay, which does not change the maximum. */
  readonly most: number | undefined;
}

/** The parameters of a round. */
export interface RoundPlan {
  readonly round: number;
  readonly delayMillis: number;
  readonly period: Period;
  /** The period for cells with one space: long enough for instances to yield to each other repeatedly. */
  readonly sharedPeriod: Period;
  /** True if a cell takes part. A cell that others are compared with always does. */
  wanted(label: string): boolean;
  progress(label: string, sample: Sample): void;
}

/**
 * Measures all arrangements with one delay: one instance first, then the raw limit with transactions of that size, then
 * the others. All of this takes a few seconds, so that drift of the machine affects all of them alike.
 */
export async function measureRound(all: readonly DeployedInstance[], plan: RoundPlan): Promise<RoundResult> {
  const { round, delayMillis, period, sharedPeriod } = plan;
  const samples = new Map<string, Sample>();
  const cells = new Map<Cell, Sample>();
  const keep = (label: string, sample: Sample) => {
    samples.set(label, sample);
    plan.progress(label, sample);
  };
  const cellResult = async (cell: Cell) => {
    const result = await untilMeasured(
      cell.spaces === "one" ? sharedPeriod : period,
      async (during, attempt) => {
        const stream = `w10-${round}-${cellLabel(cell)}-${attempt}`;
        const measured = await measureCell(all.slice(0, cell.instances), cell, stream, during);
        await all[0].client.call({ operation: "forget", job: { stream } });
        return measured;
      },
      ({ wire, sample: { appends } }) => Math.min(wire.commits, appends!),
    );
    cells.set(cell, result.sample);
    return result;
  };

  const [alone, ...others] = cellsOf(delayMillis);
  for (const instance of all) instance.proxy.delayMillis = delayMillis;
  const { sample, wire } = await cellResult(alone!);
  const size = sizeOf(wire);
  const rawResult = (
    instances: readonly DeployedInstance[],
    inFlight: number,
    before?: (stream: string) => Promise<void>,
  ) =>
    untilMeasured(
      period,
      async (during, attempt) => {
        const stream = `w10-raw-${round}-${instances.length}-${inFlight}-${delayMillis}-${attempt}`;
        const result = await measureRaw(instances, stream, inFlight, size, during);
        await before?.(stream);
        await all[0].raw.call({ operation: "forget", job: { stream } });
        return result;
      },
      ({ perSecond }) => perSecond,
    );
  const raw = new Map<number, RawResult>();
  let reads: Awaited<ReturnType<typeof measureRawReads>> | undefined;
  for (const processes of INSTANCES.filter((count) => count <= all.length)) {
    const result = await rawResult(all.slice(0, processes), 1, async (stream) => {
      if (processes === 1) reads = await measureRawReads(all[0], stream, READS);
    });
    raw.set(processes, result);
    keep(rawLabel(processes, 1, delayMillis), rawSample(result, size));
  }
  let most: number | undefined;
  if (delayMillis === 0) {
    const result = await rawResult(all, MANY_IN_FLIGHT);
    most = result.perSecond;
    keep(rawLabel(all.length, MANY_IN_FLIGHT, delayMillis), rawSample(result, size));
  }
  const ofRaw = (cell: Cell, of: Sample) => ({ ...of, ofRaw: of.commits! / raw.get(cell.instances)!.perSecond });
  keep(cellLabel(alone!), ofRaw(alone!, sample));
  for (const cell of others) {
    const label = cellLabel(cell);
    if (plan.wanted(label)) keep(label, ofRaw(cell, (await cellResult(cell)).sample));
  }
  return { samples, cells, latency: { transaction: raw.get(1)!.transaction, ...reads! }, most };
}

function rawSample({ perSecond, transaction }: RawResult, { operations }: TransactionSize): Sample {
  return {
    commits: perSecond,
    rowsPerCommit: operations,
    p50: valueAt(transaction, 0.5),
    p99: valueAt(transaction, 0.99),
  };
}
