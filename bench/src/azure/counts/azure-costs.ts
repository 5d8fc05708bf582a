import { payloads } from "../../tools/payloads.ts";
import type { Cost, Emulator } from "./emulator.ts";
import { readAll } from "./read-all.ts";
import { StoredSize } from "./stored-size.ts";
import type { WireCounts } from "./wire-counts.ts";

/** The costs of appending all records in one way, on Azure. */
export interface AppendCosts {
  readonly records: number;
  readonly perAppend: number;
  /** True with `expectedLastSequence`: such appends need no row that remembers their transaction. */
  readonly expecting: boolean;
  readonly wire: WireCounts;
  /** Entities that remain afterwards, and their share of the account's capacity. */
  readonly storedEntities: number;
  readonly storedBytes: number;
}

/** The costs of reading all records, first with unknown row sizes and then again. */
interface ReadCosts {
  readonly records: number;
  readonly perAppend: number;
  readonly view: "segment" | "space";
  readonly first: Cost;
  readonly again: Cost;
}

export interface AzureCosts {
  readonly appends: readonly AppendCosts[];
  readonly reads: readonly ReadCosts[];
}

/** Each case has a store with a fixed id, because requests contain the id. */
const storeOf = (perAppend: number, expecting: boolean) =>
  `6f9619ff-8b86-4d01-b42d-${expecting ? "e" : "0"}${String(perAppend).padStart(11, "0")}`;

/** Counts the costs of appends of several sizes, one after the other, and of reads of their entries. */
export async function measureAzureCosts(
  emulator: Emulator,
  records: number,
  sizes: readonly number[],
): Promise<AzureCosts> {
  const appends: AppendCosts[] = [];
  const reads: ReadCosts[] = [];
  for (const perAppend of sizes) {
    for (const expecting of [false, true]) {
      const stored = new StoredSize();
      const instance = await emulator.open({}, (exchange) => stored.observe(exchange));
      const space = instance.client.store(storeOf(perAppend, expecting)).space("bench");
      const segment = space.segment("bench");
      await segment.append(payloads(1));
      const before = { entities: stored.entities, bytes: stored.bytes };
      const { wire } = await instance.during(async () => {
        for (let at = 0; at < records; at += perAppend) {
          await segment.append(payloads(perAppend, at), expecting ? { expectedLastSequence: at + 1 } : {});
        }
      });
      const storedEntities = stored.entities - before.entities;
      appends.push({ records, perAppend, expecting, wire, storedEntities, storedBytes: stored.bytes - before.bytes });
      // An expectation does not change the rows that a read gets.
      if (expecting) continue;
      for (const view of ["segment", "space"] as const) {
        const read = () =>
          readAll(view === "segment" ? segment.consume({ minSequence: 2 }) : space.consume({ minOffset: 2 }), records);
        reads.push({
          records,
          perAppend,
          view,
          first: await instance.during(read),
          again: await instance.during(read),
        });
      }
    }
  }
  return { appends, reads };
}
