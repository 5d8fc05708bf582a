import { describe, expect, it } from "vitest";
import { simulatedSpaceTable } from "./scaling-tables.ts";
import type { UnitCosts } from "./unit-costs.ts";

describe("the formula for one space", () => {
  it("agrees with the simulation within a tenth, below the limit and above it", () => {
    const unit = { rowsPerCommit: 2, rowsPerSegment: 2, rowsPerRemembered: 1 } as Partial<UnitCosts>;
    const { columns, rows } = simulatedSpaceTable(unit as UnitCosts);
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) {
      const value = (column: string) => Number(row[columns.indexOf(column)]!.replaceAll(",", ""));
      const error = value("simulated appends/s") / value("formula appends/s") - 1;
      expect(Math.abs(error), row.join(" ")).toBeLessThan(0.1);
    }
  });
});
