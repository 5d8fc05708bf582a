import { payloads } from "../../tools/payloads.ts";
import type { Cost, Emulator } from "./emulator.ts";
import { readAll } from "./read-all.ts";
import { StoredSize } from "./stored-size.ts";
import type { WireCounts } from "./wire-counts.ts";

/** What one way to append costs on Azure, for all records. */
export interface AppendCosts {
  readonly records: number;
  readonly perAppend: number;
  /** With `expectedLastSequence`: such appends need no row that remembers their transaction. */
  readonly expecting: boolean;
  readonly wire: WireCounts;
  /** Entities that are left of it, and what they take of the account's capacity. */
  readonly storedEntities: number;
  readonly storedBytes: number;
}

/** What reading all records costs, once with unknown sizes of rows and once more. */
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

/** Each case has a store of its own; its id is fixed, because ids are part of what is sent. */
const storeOf = (perAppend: number, expecting: boolean) =>
  `6f9619ff-8b86-4d01-b42d-${expecting ? "e" : "0"}${String(perAppend).padStart(11, "0")}`;

/** Counts what appends of some sizes cost, and reads of what they wrote. Appends come one after the other. */
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
      // An expectation changes nothing in what is read.
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
