/** The jobs of a paired comparison, and the protocol between the conductor and the processes of the checkouts. */

export const OPERATIONS = ["append", "load", "produce", "consume"] as const;
/** Operations that one call does for all of its count. They need a transport, and have one caller. */
export const BULK: ReadonlySet<string> = new Set(["produce", "consume"]);

/** A measured operation, with the number of its repetitions and of its callers. */
export interface Job {
  /**
   * `append`: one record per append, over 10,000 segments. `load`: the whole of a segment of 100 entries. `produce`: a
   * record of one session on one segment. `consume`: an entry of one read of a segment.
   */
  readonly operation: (typeof OPERATIONS)[number];
  readonly count: number;
  readonly callers: number;
}

/** CPU time used by a process, in microseconds. */
export interface Cpu {
  /** All threads: compilation, garbage collection, storage. */
  readonly process: number;
  /** The thread that runs JavaScript. */
  readonly main: number;
}

/** A message to a process of one checkout. */
export type Order = { readonly do: "cpu" } | ({ readonly do: "fill" | "work" } & Job);

export const STORE = "0c9c1f4f-8f56-4d4e-9f8c-6d7a2f0f1b11";
export const SPACE = "pairs";
/** Number of segments for appends, and number of segments to load. */
const SEGMENTS = 10_000;
export const AGGREGATES = 1_000;
export const AGGREGATE_ENTRIES = 100;

/** CPU time of this process so far. */
function cpuNow(): Cpu {
  const all = process.cpuUsage();
  const main = process.threadCpuUsage();
  return { process: all.user + all.system, main: main.user + main.system };
}

/** The operations of a process. */
export interface Work {
  /** Writes the entries for the reads of a later job. */
  fill?(job: Job): Promise<void>;
  /** Runs before a job, and is not measured. */
  prepare?(job: Job): void;
  /** Runs one operation of a job. */
  once?(job: Job, index: number): Promise<void>;
  /** Runs all operations of a job in one call. */
  bulk?(job: Job): Promise<void>;
}

/** Answers the orders of the conductor, one at a time, until the conductor is gone. */
export function obey(work: Work): void {
  process.on("message", (order: Order) => {
    carryOut(order, work).then(
      (cpu) => process.send?.({ cpu }),
      (error) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit());
}

/** Carries out an order. Resolves with the CPU time of its job, or with that of the process so far. */
async function carryOut(order: Order, { fill, prepare, once, bulk }: Work): Promise<Cpu> {
  if (order.do === "fill") await fill?.(order);
  if (order.do !== "work") return cpuNow();
  prepare?.(order);
  const before = cpuNow();
  let next = 0;
  const caller = async () => {
    while (next < order.count) await once?.(order, next++);
  };
  if (BULK.has(order.operation)) await bulk?.(order);
  else await Promise.all(Array.from({ length: order.callers }, caller));
  const after = cpuNow();
  return { process: after.process - before.process, main: after.main - before.main };
}

/** The segment of an append: all in turn, none twice in a row. */
export function segmentOf(index: number): string {
  return `order-${(index * 7_919) % SEGMENTS}`;
}

/** The segment of a load. */
export function aggregateOf(index: number): string {
  return `aggregate-${(index * 7_919) % AGGREGATES}`;
}
