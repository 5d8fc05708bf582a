/** The jobs of a paired comparison, and how a process of one checkout is told to do them. */

/** What is measured: an operation, done so many times by so many callers. */
export interface Job {
  /** `append`: one record per append, over 10,000 segments. `load`: the whole of a segment of 100 entries. */
  readonly operation: "append" | "load";
  readonly count: number;
  readonly callers: number;
}

/** CPU time that a process has used, in microseconds. */
export interface Cpu {
  /** All threads: compilation, garbage collection, storage. */
  readonly process: number;
  /** The thread that runs JavaScript. */
  readonly main: number;
}

/** A message to a process of one checkout. */
export type Order = { readonly do: "cpu" } | { readonly do: "fill" } | ({ readonly do: "work" } & Job);

export const STORE = "0c9c1f4f-8f56-4d4e-9f8c-6d7a2f0f1b11";
export const SPACE = "pairs";
/** Segments that appends go to, and segments that are loaded. */
const SEGMENTS = 10_000;
export const AGGREGATES = 1_000;
export const AGGREGATE_ENTRIES = 100;

/** The CPU time of this process until now. */
function cpuNow(): Cpu {
  const all = process.cpuUsage();
  const main = process.threadCpuUsage();
  return { process: all.user + all.system, main: main.user + main.system };
}

/** What a process can do. */
export interface Work {
  /** Writes what is loaded later. */
  fill?(): Promise<void>;
  /** Done before a job, and not counted. */
  prepare?(job: Job): void;
  /** Does one operation of a job. */
  once?(job: Job, index: number): Promise<void>;
}

/** Answers the orders of the conductor, one at a time, until it goes away. */
export function obey(work: Work): void {
  process.on("message", (order: Order) => {
    carryOut(order, work).then(
      (cpu) => process.send?.({ cpu }),
      (error) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit());
}

/** The CPU time that a job took, or that this process has used. */
async function carryOut(order: Order, { fill, prepare, once }: Work): Promise<Cpu> {
  if (order.do === "fill") await fill?.();
  if (order.do !== "work") return cpuNow();
  prepare?.(order);
  const before = cpuNow();
  let next = 0;
  const caller = async () => {
    while (next < order.count) await once?.(order, next++);
  };
  await Promise.all(Array.from({ length: order.callers }, caller));
  const after = cpuNow();
  return { process: after.process - before.process, main: after.main - before.main };
}

/** A segment to append to: all in turn, none twice in a row. */
export function segmentOf(index: number): string {
  return `order-${(index * 7_919) % SEGMENTS}`;
}

/** A segment to load. */
export function aggregateOf(index: number): string {
  return `aggregate-${(index * 7_919) % AGGREGATES}`;
}
