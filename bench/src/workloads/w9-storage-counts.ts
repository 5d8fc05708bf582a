import { createStreamkitClient } from "@streamkit/client";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { countingStorage, type PortCounts, zeroCounts } from "../counts/counting-storage.ts";
import { payloads } from "../payloads.ts";
import { figure, type Table } from "../table.ts";
import type { Section, Workload } from "../workload.ts";

const RECORDS = 1_000;
const TRANSACTION_SIZES = [1, 10, 500];
const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** What one layout of the records cost: to write, to read by segment, to read by space. */
interface Costs {
  readonly perTransaction: number;
  readonly append: PortCounts;
  readonly readSegment: PortCounts;
  readonly readSpace: PortCounts;
}

/**
 * What the engine asks of a storage backend per 1,000 records: exact counts, the same on every machine, from which the
 * cost on a remote backend follows. Appends come one after the other, so no two share a commit: the worst case.
 */
export const storageCounts: Workload = {
  id: "W9",

  async run(): Promise<Section> {
    const all: Costs[] = [];
    for (const size of TRANSACTION_SIZES) all.push(await measureCosts(size));
    return {
      heading: `W9 Calls of the Partition port per ${RECORDS.toLocaleString("en-US")} records x 256 B, one segment`,
      notes: [
        "Exact counts over the memory backend, in one process, after one append that warmed the caches.",
        "Bytes are keys and values of rows. A page is what one range request of a remote backend returns.",
      ],
      tables: [appendTable(all), readTable(all), targetTable(all)],
    };
  },
};

async function measureCosts(perTransaction: number): Promise<Costs> {
  const counts = zeroCounts();
  const streamkit = createStreamkit({ storage: countingStorage(memoryStorage(), counts) });
  try {
    const client = createStreamkitClient({ transport: streamkit.transport() });
    const space = client.store(STORE).space("bench");
    const segment = space.segment("bench");
    await segment.append(payloads(1));
    const during = async (work: () => Promise<void>) => {
      const before = { ...counts };
      await work();
      return difference(counts, before);
    };
    const append = await during(async () => {
      for (let at = 0; at < RECORDS; at += perTransaction) await segment.append(payloads(perTransaction, at));
    });
    return {
      perTransaction,
      append,
      readSegment: await during(() => readAll(segment.consume({ minSequence: 2 }))),
      readSpace: await during(() => readAll(space.consume({ minOffset: 2 }))),
    };
  } finally {
    await streamkit.close();
  }
}

async function readAll(entries: AsyncIterable<unknown>): Promise<void> {
  let count = 0;
  for await (const _ of entries) count++;
  if (count !== RECORDS) throw new Error(`read ${count} entries, expected ${RECORDS}`);
}

function difference(after: PortCounts, before: PortCounts): PortCounts {
  const result = { ...after };
  for (const name of Object.keys(after) as (keyof PortCounts)[]) result[name] = after[name] - before[name];
  return result;
}

function appendTable(all: readonly Costs[]): Table {
  return {
    caption: "Appending",
    columns: [
      ...["records per append", "commits", "get", "getMany", "scan", "rows put", "rows deleted", "conditions"],
      ...["bytes written", "rows per commit", "bytes per record"],
    ],
    rows: all.map(({ perTransaction, append }) => [
      `${perTransaction}`,
      ...[append.commits, append.gets, append.getManys, append.scans, append.rowsPut, append.rowsDeleted].map(whole),
      ...[append.conditions, append.bytesWritten].map(whole),
      figure(append.rowsPut / append.commits),
      figure(append.bytesWritten / RECORDS),
    ]),
  };
}

function readTable(all: readonly Costs[]): Table {
  const row = (label: string, counts: PortCounts) => [
    label,
    ...[counts.gets, counts.getManys, counts.scans, counts.pages, counts.rowsRead, counts.bytesRead].map(whole),
  ];
  return {
    caption: "Reading",
    columns: ["view, records per append", "get", "getMany", "scan", "pages", "rows read", "bytes read"],
    rows: all.flatMap(({ perTransaction, readSegment, readSpace }) => [
      row(`segment, ${perTransaction}`, readSegment),
      row(`space, ${perTransaction}`, readSpace),
    ]),
  };
}

/** The row kinds of a commit that belong to the one segment these appends touch: its head and its block. */
const ROWS_OF_A_SEGMENT = 2;

function targetTable(all: readonly Costs[]): Table {
  const worst = (cost: (costs: Costs) => number) => Math.max(...all.map(cost));
  const row = (what: string, value: number, kind: "first target" | "aim", bound: number) => [
    what,
    figure(value),
    kind,
    `<= ${bound}: ${value <= bound ? "met" : "MISSED"}`,
  ];
  return {
    caption: "Targets (worst of the cases above)",
    columns: ["what", "measured", "kind", "bound"],
    rows: [
      row(
        "commits per append",
        worst((it) => (it.append.commits * it.perTransaction) / RECORDS),
        "first target",
        1,
      ),
      row(
        "reads per append",
        worst(({ append, perTransaction: n }) => ((append.gets + append.getManys + append.scans) * n) / RECORDS),
        "first target",
        0,
      ),
      row(
        "range reads per page, by segment",
        worst(({ readSegment: r }) => r.scans / r.pages),
        "first target",
        1,
      ),
      row(
        "range reads per page, by space",
        worst(({ readSpace: r }) => r.scans / r.pages),
        "first target",
        1,
      ),
      row(
        "rows per commit beyond the segment's head and block",
        worst(({ append }) => append.rowsPut / append.commits) - ROWS_OF_A_SEGMENT,
        "aim",
        2,
      ),
    ],
  };
}

function whole(value: number): string {
  return value.toLocaleString("en-US");
}
