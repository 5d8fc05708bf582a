import { describe, expect, it } from "vitest";
import type { PartitionStore, Row } from "../../storage/port.ts";
import { rowsAtOnce } from "./rows-at-once.ts";

const names = Array.from({ length: 5_000 }, (_, index) => Buffer.from(String(index).padStart(5, "0")));

/** A store of 5,000 rows that counts scans and scanned rows. */
function counting() {
  const asked = { rows: 0, scans: 0 };
  const store = {
    async *scan(_partition: string, options: { gte: Uint8Array; lt: Uint8Array; limit?: number }) {
      asked.scans++;
      const found = names.filter((key) => Buffer.compare(key, options.gte) >= 0 && Buffer.compare(key, options.lt) < 0);
      const page = found.slice(0, options.limit).map((key): Row => ({ key, value: key, version: 1 }));
      asked.rows += page.length;
      if (page.length > 0) yield page;
    },
  } as unknown as PartitionStore;
  return { store, asked };
}

const all = { gte: Buffer.from("0"), lt: Buffer.from("9") };

describe("rowsAtOnce", () => {
  it("reads no more rows than a list wants", async () => {
    const { store, asked } = counting();
    for await (const rows of rowsAtOnce(store, "p", all, 101)) {
      expect(rows).toHaveLength(101);
      break;
    }
    expect(asked).toEqual({ rows: 101, scans: 1 });
  });

  it("continues to the end, each row once, in few steps", async () => {
    for (const atOnce of [1, 16, 101, 1_000, 5_000, 1_000_000]) {
      const { store, asked } = counting();
      const read: string[] = [];
      for await (const rows of rowsAtOnce(store, "p", all, atOnce)) {
        for (const { key } of rows) read.push(Buffer.from(key).toString());
      }
      expect(read).toEqual(names.map(String));
      expect(asked.scans).toBeLessThan(12);
    }
  });
});
